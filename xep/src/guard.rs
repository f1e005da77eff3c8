//! Depth and size of what strangers send, checked before anything else touches it.
//!
//! minidom's `clone` and its printing recurse: 5,000 nested elements, which fit a stanza that servers let through, end
//! the process. This walk does not recurse and stops at the first excess.

use minidom::{Element, Node};

/// Deepest nesting that is read. Real calls stay below 10.
pub const MAX_DEPTH: usize = 64;

/// Most bytes of names, values and text kept from one element; also the share of one participant's presence.
pub const MAX_BYTES: usize = 64 * 1024;

/// Why an element is not read at all.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum Excess {
    /// More than [`MAX_DEPTH`] levels.
    #[error("nested more than {MAX_DEPTH} levels deep")]
    Deep,
    /// More than [`MAX_BYTES`] bytes.
    #[error("larger than {MAX_BYTES} bytes")]
    Large,
}

/// Checks an element from the network.
///
/// # Errors
/// The first excess found; the element should then only be dropped.
pub fn check(element: &Element) -> Result<(), Excess> {
    let mut bytes = 0;
    let mut level = vec![element];
    for _ in 0..MAX_DEPTH {
        let mut below = Vec::new();
        for element in level {
            bytes += own_bytes(element);
            if bytes > MAX_BYTES {
                return Err(Excess::Large);
            }
            below.extend(element.children());
        }
        if below.is_empty() {
            return Ok(());
        }
        level = below;
    }
    Err(Excess::Deep)
}

/// A copy that costs no more stack than [`check`] allows: deeper levels are left out of it, except for the first, so that a copy of what is
/// refused is refused too.
#[must_use]
pub fn copy(element: &Element) -> Element {
    copy_levels(element, MAX_DEPTH + 1)
}

fn copy_levels(element: &Element, levels: usize) -> Element {
    let mut copy = Element::bare(element.name(), element.ns());
    for ((namespace, name), value) in element.attrs() {
        copy.set_attr(namespace.clone(), name.clone(), value.as_str());
    }
    for node in element.nodes() {
        match node {
            Node::Text(text) => copy.append_text(text.as_str()),
            Node::Element(child) if levels > 1 => drop(copy.append_child(copy_levels(child, levels - 1))),
            Node::Element(_) => {}
        }
    }
    copy
}

fn own_bytes(element: &Element) -> usize {
    let attrs: usize = element.attrs().iter().map(|((_, name), value)| name.len() + value.len()).sum();
    let texts: usize = element
        .nodes()
        .map(|node| match node {
            Node::Text(text) => text.len(),
            Node::Element(_) => 0,
        })
        .sum();
    element.name().len() + attrs + texts
}

#[cfg(test)]
mod tests {
    use super::*;

    fn nested(depth: usize) -> Element {
        let text = format!("{}{}", "<a xmlns='x'>".repeat(depth), "</a>".repeat(depth));
        text.parse().expect("the text is well-formed")
    }

    fn with_text(bytes: usize) -> Element {
        format!("<a xmlns='x'>{}</a>", "b".repeat(bytes)).parse().expect("the text is well-formed")
    }

    #[test]
    fn the_deepest_allowed_element_passes_and_one_deeper_does_not() {
        assert_eq!(check(&nested(MAX_DEPTH)), Ok(()));
        assert_eq!(check(&nested(MAX_DEPTH + 1)), Err(Excess::Deep));
    }

    #[test]
    fn the_largest_allowed_element_passes_and_one_byte_more_does_not() {
        assert_eq!(check(&with_text(MAX_BYTES - 1)), Ok(()));
        assert_eq!(check(&with_text(MAX_BYTES)), Err(Excess::Large));
    }

    #[test]
    fn a_copy_says_the_same_and_is_refused_if_the_element_is() {
        let text = "<a xmlns='x' b='1' xml:lang='en'>c<d e='2'/>f<g xmlns='y'><h/></g></a>";
        let sane: Element = text.parse().expect("the text is well-formed");
        assert_eq!(copy(&sane), sane);
        assert_eq!(copy(&nested(MAX_DEPTH)), nested(MAX_DEPTH));
        assert_eq!(check(&copy(&nested(9_000))), Err(Excess::Deep));
    }

    #[test]
    fn a_depth_bomb_of_a_whole_stanza_is_refused_without_recursion() {
        let bomb = nested(9_000); // 9,000 levels are more than the stack of a clone bears.
        assert_eq!(check(&bomb), Err(Excess::Deep));
    }
}
