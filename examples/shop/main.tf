# A shop with its orders in Postgres, its carts in Redis and its receipts in a folder: photographed at one instant
# while it sells, and brought back to life elsewhere. `terraform apply`, or `tofu apply`.

terraform {
  required_version = ">= 1.11"
  required_providers {
    stasis = {
      source = "stasis-iac/stasis"
    }
  }
}

# Passwords reach neither the state nor a plan file: the URLs are ephemeral here and write-only in the resources.
variable "shop_orders_url" {
  type      = string
  sensitive = true
  ephemeral = true
}

variable "shop_carts_url" {
  type      = string
  sensitive = true
  ephemeral = true
}

variable "shop_receipts" {
  type = string
}

variable "twin_orders_url" {
  type      = string
  sensitive = true
  ephemeral = true
}

variable "twin_carts_url" {
  type      = string
  sensitive = true
  ephemeral = true
}

variable "twin_receipts" {
  type = string
}

resource "stasis_snapshot" "shop" {
  name = "shop"
  members = {
    orders   = { postgres = { url = var.shop_orders_url } }
    carts    = { redis = { url = var.shop_carts_url } }
    receipts = { files = { path = var.shop_receipts } }
  }
  store        = { path = "./snapshots" }
  max_pause_ms = 2000
  triggers     = { release = "2026.11" } # a change captures the next generation
}

resource "stasis_restore" "twin" {
  snapshot = stasis_snapshot.shop.reference
  members = {
    orders   = { postgres = { url = var.twin_orders_url } }
    carts    = { redis = { url = var.twin_carts_url } }
    receipts = { files = { path = var.twin_receipts } }
  }
  store  = { path = "./snapshots" }
  verify = "equivalent"
}

output "snapshot" {
  value = {
    reference    = stasis_snapshot.shop.reference
    sharp        = stasis_snapshot.shop.sharp
    blur_ms      = stasis_snapshot.shop.blur_ms
    pause_ms     = stasis_snapshot.shop.pause_ms
    size_bytes   = stasis_snapshot.shop.size_bytes
    stored_bytes = stasis_snapshot.shop.stored_bytes
  }
}

output "restore" {
  value = {
    verdict    = stasis_restore.twin.verdict
    restore_ms = stasis_restore.twin.restore_ms
  }
}
