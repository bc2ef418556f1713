// The shop of ../main.tf as a program: `cdktf deploy`, or `cdktf synth` and then `terraform apply` or `tofu apply` in
// cdktf.out/stacks/shop.
import { resolve } from 'node:path';
import { Member, Restore, SecretVariable, Snapshot, StasisProvider } from '@stasis-iac/constructs/cdktf';
import { App, TerraformOutput, TerraformStack, TerraformVariable } from 'cdktf';
import type { Construct } from 'constructs';

class Shop extends TerraformStack {
  constructor(scope: Construct, id: string) {
    super(scope, id);
    new StasisProvider(this, 'stasis');

    // Passwords reach neither what is synthesized nor the state nor a plan file.
    const url = (name: string) => new SecretVariable(this, name).stringValue;
    const path = (name: string) => new TerraformVariable(this, name, { type: 'string' }).stringValue;

    const shop = new Snapshot(this, 'shop', {
      members: {
        orders: Member.postgres({ url: url('shop_orders_url') }),
        carts: Member.redis({ url: url('shop_carts_url') }),
        receipts: Member.files({ path: path('shop_receipts') }),
      },
      // Terraform runs in the folder of what is synthesized, so the path is made absolute here.
      store: { path: resolve('snapshots') },
      maxPauseMs: 2_000,
      triggers: { release: '2026.11' }, // a change captures the next generation
    });

    const twin = Restore.from(shop, {
      id: 'twin',
      members: {
        orders: Member.postgres({ url: url('twin_orders_url') }),
        carts: Member.redis({ url: url('twin_carts_url') }),
        receipts: Member.files({ path: path('twin_receipts') }),
      },
      verify: 'equivalent',
    });

    new TerraformOutput(this, 'snapshot', {
      value: {
        reference: shop.reference,
        sharp: shop.sharp,
        blur_ms: shop.blurMs,
        pause_ms: shop.pauseMs,
        size_bytes: shop.sizeBytes,
        stored_bytes: shop.storedBytes,
      },
    });
    new TerraformOutput(this, 'restore', { value: { verdict: twin.verdict, restore_ms: twin.restoreMs } });
  }
}

const app = new App();
new Shop(app, 'shop');
app.synth();
