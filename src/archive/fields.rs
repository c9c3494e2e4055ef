//! Little-endian numbers, one after the other, as zips have them.

/// What is left to take.
#[derive(Debug, Clone, Copy)]
pub(super) struct Fields<'b>(pub(super) &'b [u8]);

impl<'b> Fields<'b> {
    /// The next `count` bytes.
    pub(super) fn take(&mut self, count: usize) -> Option<&'b [u8]> {
        let (taken, rest) = self.0.split_at_checked(count)?;
        self.0 = rest;
        Some(taken)
    }

    fn number<const N: usize>(&mut self) -> Option<[u8; N]> {
        let (taken, rest) = self.0.split_first_chunk()?;
        self.0 = rest;
        Some(*taken)
    }

    /// Two bytes.
    pub(super) fn short(&mut self) -> Option<u16> {
        self.number().map(u16::from_le_bytes)
    }

    /// Four bytes.
    pub(super) fn word(&mut self) -> Option<u32> {
        self.number().map(u32::from_le_bytes)
    }

    /// Eight bytes.
    pub(super) fn long(&mut self) -> Option<u64> {
        self.number().map(u64::from_le_bytes)
    }
}
