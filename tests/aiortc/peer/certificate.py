"""An RSA certificate for aiortc, which makes ECDSA ones. Many gateways, and GStreamer's webrtcbin, have RSA."""

from aiortc import RTCCertificate
from aiortc.rtcdtlstransport import generate_certificate
from cryptography.hazmat.primitives.asymmetric import rsa

CIPHERS = b"ECDHE-RSA-AES128-GCM-SHA256:ECDHE-ECDSA-AES128-GCM-SHA256"


class RsaCertificate(RTCCertificate):
    @classmethod
    def generateCertificate(cls):
        key = rsa.generate_private_key(public_exponent=65_537, key_size=2_048)
        return cls(key=key, cert=generate_certificate(key))

    def _create_ssl_context(self, srtp_profiles):
        context = super()._create_ssl_context(srtp_profiles)
        # aiortc's own list names ECDSA alone.
        context.set_cipher_list(CIPHERS)
        return context
