// A shop with its orders in Postgres, its carts in Redis and its receipts in a folder: photographed at one instant
// while it sells, and brought back to life elsewhere. `pulumi up`.
package main

import (
	"github.com/pulumi/pulumi/sdk/v3/go/pulumi"
	"github.com/pulumi/pulumi/sdk/v3/go/pulumi/config"
	"github.com/stasis-iac/stasis/sdk/go/stasis"
)

func main() {
	pulumi.Run(func(ctx *pulumi.Context) error {
		// The URLs hold passwords: `pulumi config set --secret shopOrdersUrl postgres://…`. They are encrypted in the
		// state.
		cfg := config.New(ctx, "")
		store := &stasis.StoreArgs{Path: pulumi.String("./snapshots")}

		shop, err := stasis.NewSnapshot(ctx, "shop", &stasis.SnapshotArgs{
			Members: stasis.MemberMap{
				"orders":   &stasis.MemberArgs{Postgres: &stasis.PostgresMemberArgs{Url: cfg.RequireSecret("shopOrdersUrl")}},
				"carts":    &stasis.MemberArgs{Redis: &stasis.RedisMemberArgs{Url: cfg.RequireSecret("shopCartsUrl")}},
				"receipts": &stasis.MemberArgs{Files: &stasis.FilesMemberArgs{Path: pulumi.String(cfg.Require("shopReceipts"))}},
			},
			Store:      store,
			MaxPauseMs: pulumi.Int(2000),
			// A change captures the next generation.
			Triggers: pulumi.StringMap{"release": pulumi.String("2026.11")},
		})
		if err != nil {
			return err
		}

		twin, err := stasis.NewRestore(ctx, "twin", &stasis.RestoreArgs{
			Snapshot: shop.Reference,
			Members: stasis.MemberMap{
				"orders":   &stasis.MemberArgs{Postgres: &stasis.PostgresMemberArgs{Url: cfg.RequireSecret("twinOrdersUrl")}},
				"carts":    &stasis.MemberArgs{Redis: &stasis.RedisMemberArgs{Url: cfg.RequireSecret("twinCartsUrl")}},
				"receipts": &stasis.MemberArgs{Files: &stasis.FilesMemberArgs{Path: pulumi.String(cfg.Require("twinReceipts"))}},
			},
			Store:  store,
			Verify: stasis.VerificationEquivalent,
		})
		if err != nil {
			return err
		}

		ctx.Export("snapshot", pulumi.Map{
			"reference":   shop.Reference,
			"sharp":       shop.Sharp,
			"blurMs":      shop.BlurMs,
			"pauseMs":     shop.PauseMs,
			"sizeBytes":   shop.SizeBytes,
			"storedBytes": shop.StoredBytes,
		})
		ctx.Export("restore", pulumi.Map{
			"verdict":   twin.Verdict,
			"restoreMs": twin.RestoreMs,
		})
		return nil
	})
}
