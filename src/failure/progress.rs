//! How far a job had come when it failed: of each package of its plan, in the plan's order.

use std::borrow::Cow;
use std::sync::Arc;

use crate::package::Coordinates;
use crate::plan::Plan;
use crate::registry::Found;

/// How far a job had come when it failed.
#[derive(Debug, Clone, Default)]
pub struct Progress {
    /// Repository and Artifactory, once they are known.
    pub place: Option<String>,
    /// Whether more may be published than what is known of: by an earlier attempt, which nobody has looked after.
    pub uncertain: bool,
    pub(super) plan: Arc<Plan>,
    /// Of each package of the plan.
    pub(super) states: Vec<State>,
}

/// What is known of a package.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum State {
    Unpublished,
    /// Some of its files are there, not all.
    Partly,
    Published,
    /// It was sent and could not be seen afterwards.
    Doubtful,
}

impl Progress {
    /// Nothing is known yet but whether an earlier attempt may have published something.
    pub fn unknown(uncertain: bool) -> Self {
        Self { uncertain, ..Self::default() }
    }

    /// Notes what is to be published.
    pub fn plans(&mut self, plan: &Arc<Plan>) {
        self.plan = Arc::clone(plan);
        self.states = vec![State::Unpublished; plan.len()];
    }

    /// Notes what a look at all of the plan's files has found.
    pub fn found(&mut self, plan: &Plan, found: &[Found]) {
        let mut all = true;
        let mut found = found.iter();
        for (at, planned) in plan.planned().iter().enumerate() {
            // Every step's finding is taken, whatever the one before it was.
            let missing = found.by_ref().take(planned.files()).filter(|found| !found.is_there()).count();
            all &= missing == 0;
            match missing {
                0 => self.is_published(at),
                _ if missing < planned.files() => self.is_partly_published(at),
                _ => {}
            }
        }
        // What an earlier attempt stored a moment ago is not seen at once everywhere.
        self.uncertain &= !all;
    }

    /// Notes that the plan's package with this number was sent and nobody knows what became of it.
    pub fn is_doubtful(&mut self, package: usize) {
        self.note(package, State::Doubtful);
    }

    /// Notes that some of the files of the plan's package with this number are in the repository.
    pub fn is_partly_published(&mut self, package: usize) {
        self.note(package, State::Partly);
    }

    /// Notes that all of the plan's package with this number is in the repository.
    pub fn is_published(&mut self, package: usize) {
        self.note(package, State::Published);
    }

    fn note(&mut self, package: usize, now: State) {
        if let Some(state) = self.states.get_mut(package) {
            *state = now;
        }
    }

    /// The packages that are published.
    pub fn published(&self) -> impl Iterator<Item = Cow<'_, Coordinates>> + Clone {
        self.those(State::Published)
    }

    /// The packages of which some files are, and not all.
    pub fn partly_published(&self) -> impl Iterator<Item = Cow<'_, Coordinates>> + Clone {
        self.those(State::Partly)
    }

    /// The packages of which nothing is.
    pub fn unpublished(&self) -> impl Iterator<Item = Cow<'_, Coordinates>> + Clone {
        self.those(State::Unpublished)
    }

    /// The packages of which that is not known.
    pub fn doubtful(&self) -> impl Iterator<Item = Cow<'_, Coordinates>> + Clone {
        self.those(State::Doubtful)
    }

    /// That so many packages are published and so many are not.
    #[cfg(test)]
    pub(super) fn of(published: Vec<Coordinates>, unpublished: Vec<Coordinates>) -> Self {
        let states = [vec![State::Published; published.len()], vec![State::Unpublished; unpublished.len()]].concat();
        let plan = Arc::new(Plan::of(published.into_iter().chain(unpublished)));
        Self { plan, states, ..Self::default() }
    }

    fn those(&self, wanted: State) -> impl Iterator<Item = Cow<'_, Coordinates>> + Clone {
        let packages = self.plan.planned().iter().zip(&self.states);
        packages.filter(move |(_, state)| **state == wanted).map(|(planned, _)| planned.of())
    }
}
