# A snapshot that another project captured is looked up and restored here. The store is named once, for all.

terraform {
  required_version = ">= 1.11"
  required_providers {
    stasis = {
      source = "stasis-iac/stasis"
    }
  }
}

variable "snapshots" {
  description = "The folder of the store."
  type        = string
}

variable "target" {
  type = string
}

provider "stasis" {
  store = { path = var.snapshots }
}

data "stasis_snapshot" "newest" {
  snapshot = "site"
}

data "stasis_snapshots" "all" {
  name = "site"
}

resource "stasis_restore" "here" {
  snapshot = data.stasis_snapshot.newest.reference
  members = {
    pages = { files = { path = var.target } }
  }
}

output "found" {
  value = {
    generation  = data.stasis_snapshot.newest.generation
    generations = length(data.stasis_snapshots.all.snapshots)
    verdict     = stasis_restore.here.verdict
  }
}
