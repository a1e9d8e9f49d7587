//! An authenticator and the browser around it, in software: what `navigator.credentials` does, as it should be and as an attacker would.

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD as BASE64;
use rcgen::{KeyPair, PKCS_ECDSA_P256_SHA256, SigningKey};
use serde_json::{Value, json};
use sha2::{Digest, Sha256};

/// One passkey, and everything that can be wrong about how it is used.
pub(crate) struct Authenticator {
    key: KeyPair,
    id: Vec<u8>,
    user: Vec<u8>,
    pub(crate) counter: u32,
    /// The page that the browser says it is on.
    pub(crate) origin: String,
    /// The name for which the authenticator signs.
    pub(crate) party: String,
    pub(crate) verified: bool,
    /// In somebody else's frame.
    pub(crate) framed: bool,
}

impl Authenticator {
    pub(crate) fn new(port: u16, name: &str) -> Self {
        Self {
            key: KeyPair::generate_for(&PKCS_ECDSA_P256_SHA256).unwrap(),
            id: Sha256::digest(format!("{name}'s key")).to_vec(),
            user: Vec::new(),
            counter: 1,
            origin: format!("http://localhost:{port}"),
            party: "localhost".into(),
            verified: true,
            framed: false,
        }
    }

    /// `navigator.credentials.create`.
    pub(crate) fn create(&mut self, options: &Value) -> Value {
        let options = &options["publicKey"];
        assert_eq!(options["authenticatorSelection"]["userVerification"], "required", "{options}");
        assert_eq!(options["authenticatorSelection"]["residentKey"], "preferred", "{options}");
        self.user = BASE64.decode(options["user"]["id"].as_str().unwrap()).unwrap();
        let point = self.key.public_key_raw();
        let mut data = self.data(0x40);
        data.extend([0; 16]);
        data.extend(u16::try_from(self.id.len()).unwrap().to_be_bytes());
        data.extend(&self.id);
        // A COSE key: EC2, ES256, P-256, x, y.
        data.extend([0xa5, 0x01, 0x02, 0x03, 0x26, 0x20, 0x01, 0x21, 0x58, 0x20]);
        data.extend(&point[1..33]);
        data.extend([0x22, 0x58, 0x20]);
        data.extend(&point[33..65]);
        let mut object = vec![0xa3];
        object.extend(b"\x63fmt\x64none\x67attStmt\xa0\x68authData\x59");
        object.extend(u16::try_from(data.len()).unwrap().to_be_bytes());
        object.extend(data);
        let said = self.said("webauthn.create", options);
        self.credential(
            &json!({ "attestationObject": BASE64.encode(object), "clientDataJSON": BASE64.encode(said), "transports": ["internal"] }),
        )
    }

    /// `navigator.credentials.get`. Each answer moves the counter on.
    pub(crate) fn answer(&mut self, options: &Value) -> Value {
        let options = &options["publicKey"];
        assert_eq!(options["userVerification"], "required", "{options}");
        self.counter += 1;
        let said = self.said("webauthn.get", options);
        let data = self.data(0);
        let signed = [data.as_slice(), &Sha256::digest(&said)].concat();
        let signature = self.key.sign(&signed).unwrap();
        self.credential(&json!({
            "authenticatorData": BASE64.encode(data),
            "clientDataJSON": BASE64.encode(said),
            "signature": BASE64.encode(signature),
            "userHandle": BASE64.encode(&self.user),
        }))
    }

    fn credential(&self, response: &Value) -> Value {
        let id = BASE64.encode(&self.id);
        json!({ "id": id, "rawId": id, "type": "public-key", "response": response, "clientExtensionResults": {}, "authenticatorAttachment": "platform" })
    }

    fn said(&self, what: &str, options: &Value) -> Vec<u8> {
        json!({ "type": what, "challenge": options["challenge"], "origin": self.origin, "crossOrigin": self.framed })
            .to_string()
            .into_bytes()
    }

    fn data(&self, more: u8) -> Vec<u8> {
        let mut data = Sha256::digest(&self.party).to_vec();
        data.push(0x01 | if self.verified { 0x04 } else { 0 } | more);
        data.extend(self.counter.to_be_bytes());
        data
    }
}
