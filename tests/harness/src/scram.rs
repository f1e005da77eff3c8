//! The server's side of SCRAM-SHA-256 (RFC 5802, RFC 7677), for one password.

use base64::Engine;
use base64::engine::general_purpose::STANDARD as BASE64;
use sasl::common::scram::{ScramProvider, Sha256, generate_nonce};
use sasl::common::{Password, xor};

const SALT: &[u8] = b"salt of the earth";
const ITERATIONS: u32 = 4_096;

/// A login half-way.
pub struct Exchange {
    user: String,
    client_first: String,
    challenge: String,
    salted: Vec<u8>,
}

impl Exchange {
    /// What the client said first.
    #[must_use]
    pub fn begin(first: &[u8], password: &str) -> Option<Self> {
        let first = std::str::from_utf8(first).ok()?;
        let bare = &first[first.find("n=")?..];
        let user = field(bare, "n=")?.replace("=2C", ",").replace("=3D", "=");
        let nonce = generate_nonce().ok()?;
        let challenge = format!("r={}{nonce},s={},i={ITERATIONS}", field(bare, "r=")?, BASE64.encode(SALT));
        let salted = Sha256::derive(&Password::Plain(password.to_owned()), SALT, ITERATIONS).ok()?;
        Some(Self { user, client_first: bare.to_owned(), challenge, salted })
    }

    /// What it is answered.
    #[must_use]
    pub fn challenge(&self) -> Vec<u8> {
        self.challenge.clone().into_bytes()
    }

    /// The user and our own proof, if the client's is right.
    #[must_use]
    pub fn finish(&self, response: &[u8]) -> Option<(String, Vec<u8>)> {
        let response = std::str::from_utf8(response).ok()?;
        let (unproven, proof) = response.rsplit_once(",p=")?;
        let message = format!("{},{},{unproven}", self.client_first, self.challenge);
        let client_key = Sha256::hmac(b"Client Key", &self.salted).ok()?;
        let signature = Sha256::hmac(message.as_bytes(), &Sha256::hash(&client_key)).ok()?;
        if BASE64.decode(proof).ok()? != xor(&client_key, &signature) {
            return None;
        }
        let server_key = Sha256::hmac(b"Server Key", &self.salted).ok()?;
        let proof = Sha256::hmac(message.as_bytes(), &server_key).ok()?;
        Some((self.user.clone(), format!("v={}", BASE64.encode(proof)).into_bytes()))
    }
}

fn field<'a>(message: &'a str, name: &str) -> Option<&'a str> {
    message.split(',').find_map(|field| field.strip_prefix(name))
}
