"""Values masked or encrypted on their way into the record: docs/powertools/data-masking.md."""

from __future__ import annotations

import hmac
import json
from base64 import b64decode, b64encode
from datetime import timedelta
from typing import Any

from aws_lambda_powertools.utilities.data_masking.provider import BaseProvider
from cryptography.hazmat.primitives.ciphers.aead import AESGCM
from pydantic import BaseModel

from powertools_durable import DurableContext, durable
from powertools_durable.serdes import EncryptingSerDes, MaskingSerDes


# --8<-- [start:provider]
class LocalKeyProvider(BaseProvider):
    """Encrypts with a local key, for tests without KMS."""

    def __init__(self, key: bytes) -> None:
        super().__init__()
        self._key, self._cipher = key, AESGCM(key)

    def encrypt(
        self, data: Any, provider_options: Any = None, **encryption_context: str
    ) -> str:
        """Encrypt *data*; *encryption_context* is authenticated, not hidden."""
        text, aad = (
            json.dumps(data).encode(),
            json.dumps(encryption_context, sort_keys=True).encode(),
        )
        # Not random, so that the records of a test are always the same.
        nonce = hmac.digest(self._key, aad + text, "sha256")[:12]
        return b64encode(nonce + self._cipher.encrypt(nonce, text, aad)).decode()

    def decrypt(
        self, data: str, provider_options: Any = None, **encryption_context: str
    ) -> Any:
        """Decrypt *data*. Raise if the data or the context has changed."""
        sealed = b64decode(data)
        aad = json.dumps(encryption_context, sort_keys=True).encode()
        return json.loads(self._cipher.decrypt(sealed[:12], sealed[12:], aad))


# --8<-- [end:provider]


class Customer(BaseModel):
    """What the customer service knows."""

    name: str
    card: str
    limit: int


def load_customer(customer_id: str) -> Customer:
    """Ask the customer service."""
    return Customer(
        name=f"customer {customer_id}", card="4111 1111 1111 1111", limit=500
    )


# --8<-- [start:mask]
without_card = MaskingSerDes(fields=["card"])


@durable
def masks(event: dict[str, str], ctx: DurableContext) -> str:
    customer = ctx.step(load_customer, event["id"], serdes=without_card)
    ctx.wait(timedelta(days=1))
    return customer.card  # "*****", in the first invocation and in every replay


# --8<-- [end:mask]

# --8<-- [start:rules]
last_digits = MaskingSerDes(
    masking_rules={"card": {"regex_pattern": r"\d(?=.*\d{4}$)", "mask_format": "*"}},
)
# --8<-- [end:rules]


@durable
def keeps_last_digits(event: dict[str, str], ctx: DurableContext) -> str:
    """Mask by rules."""
    return ctx.step(load_customer, event["id"], serdes=last_digits).card


# --8<-- [start:encrypt]
provider = LocalKeyProvider(AESGCM.generate_key(bit_length=256))


@durable(serdes=EncryptingSerDes(provider))
def encrypts(event: list[str], ctx: DurableContext) -> list[str]:
    customers = ctx.map(
        lambda child, each: child.step(load_customer, each), event, returns=Customer
    ).results
    ctx.wait(timedelta(days=1))
    # The handler's own result isn't encrypted.
    return [customer.card[-4:] for customer in customers]


# --8<-- [end:encrypt]


# --8<-- [start:kms]
def with_kms(key_arn: str) -> EncryptingSerDes:
    """Encrypt with a key of AWS KMS. Data keys are cached."""
    from aws_lambda_powertools.utilities.data_masking.provider.kms import (
        AWSEncryptionSDKProvider,
    )

    return EncryptingSerDes(
        AWSEncryptionSDKProvider(keys=[key_arn], max_messages_encrypted=200)
    )


# --8<-- [end:kms]


# --8<-- [start:both]
masked_and_encrypted = EncryptingSerDes(provider, inner=MaskingSerDes(fields=["card"]))
# --8<-- [end:both]


@durable
def both(event: dict[str, str], ctx: DurableContext) -> str:
    """Mask what your code does not need, and encrypt the rest."""
    return ctx.step(load_customer, event["id"], serdes=masked_and_encrypted).card
