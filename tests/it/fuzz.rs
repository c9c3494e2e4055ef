//! Inputs that nobody meant well, some thousands of each kind, the same in every run. `make fuzz` goes on from here.

use std::panic::catch_unwind;

use fastrand::Rng;

use crate::fuzzed::{self, found, mutate, seeds};

/// Sound inputs, then inputs made of them.
fn run(times: usize, seeds: &[Vec<u8>], mutate: impl Fn(&mut Rng, &mut Vec<u8>), holds: fn(&[u8])) {
    for seed in seeds {
        holds(seed);
    }
    for case in 0..times {
        let mut dice = Rng::with_seed(case as u64);
        let mut bytes = dice.choice(seeds).unwrap().clone();
        mutate(&mut dice, &mut bytes);
        let outcome = catch_unwind(|| holds(&bytes));
        assert!(outcome.is_ok(), "case {case}, {} bytes: {}", bytes.len(), bytes.escape_ascii());
    }
}

#[test]
fn whatever_a_zip_says_no_more_is_read_than_is_there_and_nothing_else_than_others_read() {
    run(6_000, &seeds::zips(), mutate::zip, fuzzed::zip);
}

#[test]
fn whatever_a_ready_package_says_no_more_is_inflated_than_may_be_and_nothing_else_than_others_read() {
    run(2_000, &seeds::tars(), mutate::tgz, fuzzed::tgz);
    for tgz in seeds::tgzs() {
        fuzzed::tgz(&tgz);
    }
}

#[test]
fn whatever_a_manifest_says_what_is_packed_is_what_is_in_the_artifact() {
    run(800, &seeds::manifests(), mutate::manifest, fuzzed::manifest);
}

#[test]
fn whatever_patterns_say_what_is_packed_is_what_is_in_the_artifact() {
    run(800, &seeds::patterns(), mutate::patterns, fuzzed::patterns);
}

#[test]
fn whatever_a_distribution_says_of_itself_stays_in_its_field() {
    run(3_000, &seeds::metadata(), mutate::metadata, fuzzed::metadata);
    run(2_000, &seeds::wheels(), mutate::zip, fuzzed::wheel);
}

#[test]
fn whatever_poms_and_jars_say_what_is_planned_lies_in_its_folder() {
    run(2_000, &seeds::poms(), mutate::pom, fuzzed::pom);
    run(2_000, &seeds::jars(), mutate::zip, fuzzed::jar);
}

#[test]
fn what_was_found_once_holds() {
    for (function, bytes) in found() {
        match function {
            "zip" => fuzzed::zip(&bytes),
            "tgz" => fuzzed::tgz(&bytes),
            "manifest" => fuzzed::manifest(&bytes),
            "patterns" => fuzzed::patterns(&bytes),
            "metadata" => fuzzed::metadata(&bytes),
            "wheel" => fuzzed::wheel(&bytes),
            "pom" => fuzzed::pom(&bytes),
            "jar" => fuzzed::jar(&bytes),
            other => panic!("there is no {other}"),
        }
    }
}
