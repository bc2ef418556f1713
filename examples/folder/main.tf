# The smallest: a folder is captured and comes back beside itself.

terraform {
  required_version = ">= 1.11"
  required_providers {
    stasis = {
      source = "stasis-iac/stasis"
    }
  }
}

variable "site" {
  type = string
}

variable "copy" {
  type = string
}

resource "stasis_snapshot" "site" {
  name = "site"
  members = {
    pages = { files = { path = var.site, exclude = ["*.tmp"] } }
  }
  store = { path = "./snapshots" }
  keep  = 3 # older generations go, unless something has pinned them
}

resource "stasis_restore" "copy" {
  snapshot = stasis_snapshot.site.reference
  members = {
    pages = { files = { path = var.copy } }
  }
  store  = { path = "./snapshots" }
  verify = "identical"
}

output "verdict" {
  value = stasis_restore.copy.verdict
}
