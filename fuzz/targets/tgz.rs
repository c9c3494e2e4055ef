#![no_main]

#[path = "../../tests/fuzz/mod.rs"]
mod fuzzed;
mod harness;

use std::io::Read;

use fastrand::Rng;
use flate2::read::GzDecoder;
use fuzzed::{mutate, seeds};

libfuzzer_sys::fuzz_target!(|bytes: &[u8]| fuzzed::tgz(bytes));

libfuzzer_sys::fuzz_mutator!(|data: &mut [u8], size: usize, most: usize, seed: u32| {
    harness::changed(data, (size, most, seed), seeds::tgzs, inside)
});

/// Changes what is compressed.
fn inside(dice: &mut Rng, bytes: &mut Vec<u8>) {
    let mut tar = Vec::new();
    match GzDecoder::new(&bytes[..]).take(1 << 16).read_to_end(&mut tar) {
        Ok(_) => {
            mutate::tgz(dice, &mut tar);
            *bytes = tar;
        }
        Err(_) => mutate::blindly(dice, bytes),
    }
}
