//! Very many things of which a message names the first: no more is kept of them.

/// So many are kept: more than a message has room for.
const KEPT: usize = 1000;

/// The first of some things, and how many there are.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Many<T> {
    first: Vec<T>,
    all: usize,
}

impl<T> Default for Many<T> {
    fn default() -> Self {
        Self { first: Vec::new(), all: 0 }
    }
}

impl<T> Many<T> {
    /// Adds one; it is made only where it is kept.
    pub fn add(&mut self, one: impl FnOnce() -> T) {
        self.all += 1;
        if self.first.len() < KEPT {
            self.first.push(one());
        }
    }

    /// The first ones.
    pub fn first(&self) -> &[T] {
        &self.first
    }

    /// How many there are.
    pub fn len(&self) -> usize {
        self.all
    }

    /// Whether there is none.
    pub fn is_empty(&self) -> bool {
        self.all == 0
    }
}

impl<T> FromIterator<T> for Many<T> {
    fn from_iter<I: IntoIterator<Item = T>>(things: I) -> Self {
        let mut many = Self::default();
        things.into_iter().for_each(|one| many.add(|| one));
        many
    }
}

impl<T> From<Vec<T>> for Many<T> {
    fn from(things: Vec<T>) -> Self {
        things.into_iter().collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn all_are_counted_and_the_first_are_kept() {
        let many: Many<usize> = (0..100_000).collect();
        assert_eq!((many.len(), many.first().len(), many.first().last()), (100_000, KEPT, Some(&(KEPT - 1))));
        assert!(!many.is_empty() && Many::<usize>::default().is_empty());
    }
}
