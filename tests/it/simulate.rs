//! A sample of the simulation; `make simulate SEEDS=from..to` runs any number of seeds.

use crate::stack::simulate::run;

#[test]
fn whatever_a_seed_decides_the_invariants_hold() {
    for seed in 0..25 {
        let told = run(seed);
        if let Err(why) = told.verdict {
            panic!("{}{why}\nmake simulate SEEDS={seed}..{}", told.story, seed + 1);
        }
    }
}
