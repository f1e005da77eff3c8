//! A media layer of one's own, outside muji-media: it makes UDP "transports" without any security and counts bytes.
fn main() {}
