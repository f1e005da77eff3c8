//! What was measured of a row, and with what it is compared.

/// Ours at both ends; libwebrtc at both; and our sender with libwebrtc's receiver. Those of libwebrtc may be skipped.
pub(crate) struct Compared<T> {
    pub(crate) ours: T,
    pub(crate) libwebrtc: Option<T>,
    pub(crate) mixed: Option<T>,
}

impl<T> Compared<T> {
    /// The rows of a table.
    pub(crate) fn rows(ours: Vec<T>, libwebrtc: Vec<Option<T>>, mixed: Vec<Option<T>>) -> Vec<Self> {
        let both = libwebrtc.into_iter().zip(mixed);
        ours.into_iter().zip(both).map(|(ours, (libwebrtc, mixed))| Self { ours, libwebrtc, mixed }).collect()
    }

    /// One value of all three.
    pub(crate) fn each<V>(&self, value: impl Fn(&T) -> V) -> [Option<V>; 3] {
        [Some(&self.ours), self.libwebrtc.as_ref(), self.mixed.as_ref()].map(|measured| measured.map(&value))
    }
}
