"""Encrypts for real, with keys in memory: a provider, and a KMS that speaks HTTP."""

from __future__ import annotations

import json
import os
from base64 import b64decode, b64encode
from collections import Counter
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler

from cryptography.hazmat.primitives.ciphers.aead import AESGCM

from tests.loopback import LoopbackServer

KEY_ARN = "arn:aws:kms:eu-west-1:123456789012:key/11111111-2222-3333-4444-555555555555"


class Vault:
    """Authenticated encryption under the context, counted; *fails* says what a call raises."""

    def __init__(self, key=None):
        self._cipher = AESGCM(key or AESGCM.generate_key(bit_length=256))
        self.calls = Counter()
        self.fails = {}
        self.contexts = []

    def encrypt(self, data, provider_options=None, **encryption_context):
        self._called("encrypt", encryption_context)
        nonce = os.urandom(12)
        return b64encode(nonce + self._cipher.encrypt(nonce, data.encode(), _aad(encryption_context))).decode()

    def decrypt(self, data, provider_options=None, **encryption_context):
        self._called("decrypt", encryption_context)
        sealed = b64decode(data)
        return self._cipher.decrypt(sealed[:12], sealed[12:], _aad(encryption_context)).decode()

    def _called(self, call, context):
        self.calls[call] += 1
        self.contexts.append(context)
        if call in self.fails:
            raise self.fails[call]


def _aad(context):
    return json.dumps(context, sort_keys=True).encode()


@contextmanager
def kms():
    """Serve GenerateDataKey and Decrypt of KMS; yields its address and the calls it had."""
    cipher, calls = AESGCM(AESGCM.generate_key(bit_length=256)), []

    class Kms(BaseHTTPRequestHandler):
        def do_POST(self):
            action = self.headers["X-Amz-Target"].partition(".")[2]
            asked = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
            calls.append(action)
            try:
                answer = self.new_key if action == "GenerateDataKey" else self.key_of
                self._answer(200, answer(asked, _aad(asked["EncryptionContext"])))
            except Exception:  # noqa: BLE001 - another context, or another text
                self._answer(400, {"__type": "InvalidCiphertextException"})

        def new_key(self, asked, aad):
            key = os.urandom(asked["NumberOfBytes"])
            nonce = os.urandom(12)
            blob = b64encode(nonce + cipher.encrypt(nonce, key, aad)).decode()
            return {"KeyId": KEY_ARN, "Plaintext": b64encode(key).decode(), "CiphertextBlob": blob}

        def key_of(self, asked, aad):
            blob = b64decode(asked["CiphertextBlob"])
            key = cipher.decrypt(blob[:12], blob[12:], aad)
            return {"KeyId": KEY_ARN, "Plaintext": b64encode(key).decode()}

        def _answer(self, status, body):
            data = json.dumps(body).encode()
            self.send_response(status)
            self.send_header("Content-Type", "application/x-amz-json-1.1")
            self.send_header("Content-Length", str(len(data)))
            self.end_headers()
            self.wfile.write(data)

        def log_message(self, *_):
            pass

    with LoopbackServer(Kms) as server:
        yield server.url, calls
