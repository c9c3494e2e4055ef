//! How an input is made of another: with an eye to what it means, or as libFuzzer likes.

use fastrand::Rng;
use libfuzzer_sys::fuzzer_mutate;

/// Changes the first `size` bytes, and returns how many there are then. A few inputs begin anew, as a sound one.
pub fn changed(
    data: &mut [u8],
    (size, most, seed): (usize, usize, u32),
    seeds: fn() -> Vec<Vec<u8>>,
    mutate: fn(&mut Rng, &mut Vec<u8>),
) -> usize {
    let mut dice = Rng::with_seed(seed.into());
    if size > 1 && dice.u8(..3) > 0 {
        return fuzzer_mutate(data, size, most);
    }
    let mut bytes = data[..size].to_vec();
    if size < 2 || dice.u8(..20) == 0 {
        let seeds = seeds();
        bytes.clone_from(&seeds[dice.usize(..seeds.len())]);
    }
    mutate(&mut dice, &mut bytes);
    let length = bytes.len().min(most);
    data[..length].copy_from_slice(&bytes[..length]);
    length
}
