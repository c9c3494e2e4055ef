#![no_main]

#[path = "../../tests/fuzz/mod.rs"]
mod fuzzed;
mod harness;

use fuzzed::{mutate, seeds};

libfuzzer_sys::fuzz_target!(|bytes: &[u8]| fuzzed::pom(bytes));

libfuzzer_sys::fuzz_mutator!(|data: &mut [u8], size: usize, most: usize, seed: u32| {
    harness::changed(data, (size, most, seed), seeds::poms, mutate::pom)
});
