//! What points of the matrix came to, together.

use std::fmt;

use crate::stack::crash::Survived;

/// What points came to. Ticks are counted from the end of the last dead worker's lease to the last answer.
#[derive(Debug, Default, Clone, Copy)]
pub(crate) struct Sum {
    pub(crate) points: usize,
    pub(crate) violations: usize,
    /// Violations of two versions that one of them has by itself, too.
    pub(crate) of_one_alone: usize,
    kills: usize,
    /// Points in which as many died as were to die.
    whole: usize,
    stalled: usize,
    ticks: usize,
}

impl Sum {
    /// A point that is broken, and whether one version alone breaks it, too.
    pub(crate) fn broken(of_one_alone: bool) -> Self {
        Self { points: 1, violations: 1, of_one_alone: usize::from(of_one_alone), ..Self::default() }
    }

    /// What one point came to.
    pub(crate) fn of(survived: Survived) -> Self {
        let Survived { died, whole, stalled, ticks } = survived;
        Self { points: 1, kills: died, whole: usize::from(whole), stalled, ticks, ..Self::default() }
    }

    pub(crate) fn and(self, other: Self) -> Self {
        Self {
            points: self.points + other.points,
            violations: self.violations + other.violations,
            of_one_alone: self.of_one_alone + other.of_one_alone,
            kills: self.kills + other.kills,
            whole: self.whole + other.whole,
            stalled: self.stalled + other.stalled,
            ticks: self.ticks.max(other.ticks),
        }
    }
}

impl fmt::Display for Sum {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { points, violations, of_one_alone, kills, whole, stalled, ticks } = self;
        let own = if *of_one_alone > 0 { format!(" ({of_one_alone} of one version alone)") } else { String::new() };
        write!(
            f,
            "{points:>5} points, {violations} violations{own}, {kills:>5} kills, all that were to die in {whole:>5} \
             points, {stalled} ran out on a busy machine, answered after at most {ticks} ticks"
        )
    }
}
