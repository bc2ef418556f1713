"""A shop with its orders in Postgres, its carts in Redis and its receipts in a folder: photographed at one instant
while it sells, and brought back to life elsewhere. `pulumi up`."""

import pulumi
import pulumi_stasis as stasis

# The URLs hold passwords: `pulumi config set --secret shopOrdersUrl postgres://…`. They are encrypted in the state.
config = pulumi.Config()

shop = stasis.Snapshot(
    "shop",
    members={
        "orders": {"postgres": {"url": config.require_secret("shopOrdersUrl")}},
        "carts": {"redis": {"url": config.require_secret("shopCartsUrl")}},
        "receipts": {"files": {"path": config.require("shopReceipts")}},
    },
    store={"path": "./snapshots"},
    max_pause_ms=2000,
    triggers={"release": "2026.11"},  # a change captures the next generation
)

twin = stasis.Restore(
    "twin",
    snapshot=shop.reference,
    members={
        "orders": {"postgres": {"url": config.require_secret("twinOrdersUrl")}},
        "carts": {"redis": {"url": config.require_secret("twinCartsUrl")}},
        "receipts": {"files": {"path": config.require("twinReceipts")}},
    },
    store={"path": "./snapshots"},
    verify="equivalent",
)

pulumi.export(
    "snapshot",
    {
        "reference": shop.reference,
        "sharp": shop.sharp,
        "blurMs": shop.blur_ms,
        "pauseMs": shop.pause_ms,
        "sizeBytes": shop.size_bytes,
        "storedBytes": shop.stored_bytes,
    },
)
pulumi.export("restore", {"verdict": twin.verdict, "restoreMs": twin.restore_ms})
