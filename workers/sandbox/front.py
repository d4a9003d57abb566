"""The front of the sandboxes that share one port: what is under /webhooks goes to the receiving side, all else to the ERP."""

from workers.sandbox.app import Sandbox
from workers.sandbox.webhooks.app import PREFIX, WebhookSandbox
from workers.sandbox.wire import Receive, Scope, Send


class Front:
    """Both sandboxes behind one address; the receiving side's control interface is ``/webhooks/sandbox``."""

    def __init__(self, erp: Sandbox, webhooks: WebhookSandbox) -> None:
        self._erp = erp
        self._webhooks = webhooks

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Serve one request."""
        if scope["type"] == "http" and scope["path"].startswith(f"{PREFIX}/"):
            await self._webhooks({**scope, "path": scope["path"].removeprefix(PREFIX)}, receive, send)
        else:
            await self._erp(scope, receive, send)
