//! STUN messages: read, built and signed.

use muji_xep::Secret;
use stun::agent::TransactionId;
use stun::attributes::{ATTR_FINGERPRINT, ATTR_MESSAGE_INTEGRITY, AttrType};
use stun::fingerprint::FINGERPRINT;
use stun::integrity::MessageIntegrity;
use stun::message::{Message, MessageType, Setter};

/// Longer STUN messages are of no use here: the longest user name has 513 bytes.
const MAX_STUN: usize = 1_200;

/// An attribute as it is.
pub(super) struct Raw(pub(super) AttrType, pub(super) Vec<u8>);

impl Setter for Raw {
    fn add_to(&self, message: &mut Message) -> Result<(), stun::Error> {
        message.add(self.0, &self.1);
        Ok(())
    }
}

/// A message with these attributes, signed.
pub(super) fn build(
    transaction: TransactionId,
    kind: MessageType,
    pwd: &str,
    attributes: Vec<Box<dyn Setter>>,
) -> Option<Vec<u8>> {
    let mut setters: Vec<Box<dyn Setter>> = vec![Box::new(kind), Box::new(transaction)];
    setters.extend(attributes);
    setters.push(Box::new(MessageIntegrity::new_short_term_integrity(pwd.to_owned())));
    setters.push(Box::new(FINGERPRINT));
    let mut message = Message::new();
    message.build(&setters).ok()?;
    Some(message.raw)
}

/// The same message, signed by another password, and with other values.
pub(super) fn sign(message: &Message, pwd: &str, other: &[(AttrType, &[u8])]) -> Option<Vec<u8>> {
    let kept = message.attributes.0.iter().filter(|one| ![ATTR_MESSAGE_INTEGRITY, ATTR_FINGERPRINT].contains(&one.typ));
    let value = |of: AttrType| other.iter().find(|(typ, _)| *typ == of).map(|(_, value)| value.to_vec());
    let attributes =
        kept.map(|one| Box::new(Raw(one.typ, value(one.typ).unwrap_or_else(|| one.value.clone()))) as Box<dyn Setter>);
    build(message.transaction_id, message.typ, pwd, attributes.collect())
}

/// A message; `None` if it is none, or too long.
pub(super) fn read(bytes: &[u8]) -> Option<Message> {
    let mut message = Message::new();
    (bytes.len() <= MAX_STUN && message.unmarshal_binary(bytes).is_ok()).then_some(message)
}

/// True if who made it knows the password (RFC 8489 section 9.1).
pub(super) fn is_of(pwd: &Secret, message: &mut Message) -> bool {
    MessageIntegrity::new_short_term_integrity(pwd.expose().to_owned()).check(message).is_ok()
}

/// The tie-breaker in an attribute of this kind.
pub(super) fn tie_breaker(message: &Message, of: AttrType) -> Option<u64> {
    Some(u64::from_be_bytes(message.get(of).ok()?.try_into().ok()?))
}
