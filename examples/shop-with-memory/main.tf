# The shop of ../shop, with who is logged in and a long job in nothing but the memory of a process, on another machine:
# all of it photographed at one instant, and brought back to life on a third one. `terraform apply`, or `tofu apply`.

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

# The machines, by SSH: what they are called here is what members say.
variable "cloud_address" {
  type = string
}

variable "sovereign_address" {
  type = string
}

variable "ssh_key_file" {
  type = string
}

variable "ssh_known_hosts" {
  type = string
}

provider "stasis" {
  hosts = {
    cloud = {
      ssh = {
        address          = var.cloud_address
        user             = "root"
        private_key_file = var.ssh_key_file
        known_hosts_file = var.ssh_known_hosts
      }
    }
    sovereign = {
      ssh = {
        address          = var.sovereign_address
        user             = "root"
        private_key_file = var.ssh_key_file
        known_hosts_file = var.ssh_known_hosts
      }
    }
  }
}

resource "stasis_snapshot" "shop" {
  name = "shop"
  members = {
    orders   = { postgres = { url = var.shop_orders_url } }
    carts    = { redis = { url = var.shop_carts_url } }
    receipts = { files = { path = var.shop_receipts } }
    tokens   = { process = { pid_file = "/run/tokens.pid", host = "cloud" } }
  }
  store        = { path = "./snapshots" }
  max_pause_ms = 15000
  triggers     = { release = "2026.11" } # a change captures the next generation
}

resource "stasis_restore" "twin" {
  snapshot = stasis_snapshot.shop.reference
  members = {
    orders   = { postgres = { url = var.twin_orders_url } }
    carts    = { redis = { url = var.twin_carts_url } }
    receipts = { files = { path = var.twin_receipts } }
    tokens   = { process = { pid_file = "/run/tokens.pid", host = "sovereign", ports = ["7080"] } }
  }
  original = { # read once more after the restore: what a switch to the twin would lose
    orders   = { postgres = { url = var.shop_orders_url } }
    carts    = { redis = { url = var.shop_carts_url } }
    receipts = { files = { path = var.shop_receipts } }
    tokens   = { process = { pid_file = "/run/tokens.pid", host = "cloud" } }
  }
  store  = { path = "./snapshots" }
  verify = "equivalent"
  warm   = true # what lay in Postgres's buffers is back in them before the first customer
  report = "./twin.html"
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
    warmth     = stasis_restore.twin.warmth
  }
}
