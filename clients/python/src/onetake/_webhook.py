from __future__ import annotations

from typing import TYPE_CHECKING, cast

from standardwebhooks.webhooks import Webhook, WebhookVerificationError

from ._errors import WebhookError

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from ._types import WebhookEvent


def verify_webhook(
    payload: bytes | str, headers: Mapping[str, str], secrets: str | Sequence[str]
) -> WebhookEvent:
    """
    Check that a webhook is genuine and at most five minutes old, and return what it announces.

    `payload` is the body as it was received, not parsed and serialised again. While a secret is rotated, give both. The same event may
    arrive more than once, with the same `webhook-id`. Raises a `WebhookError` if the webhook is not to be trusted.
    """
    webhooks = [Webhook(secret) for secret in ([secrets] if isinstance(secrets, str) else secrets)]
    trouble: Exception = ValueError("There is no secret to verify it with.")
    for webhook in webhooks:
        try:
            return cast("WebhookEvent", webhook.verify(payload, dict(headers)))
        # A malformed signature or body, of which the library does not say that it is one.
        except (WebhookVerificationError, ValueError) as error:
            trouble = error
    raise WebhookError(f"The webhook is not to be trusted: {trouble}") from trouble
