# Three PostgreSQL servers that work on one thing together, cut at one instant with none of them paused: their epochs
# are read before and after the marks, and between equal readings nothing has changed.

terraform {
  required_version = ">= 1.11"
  required_providers {
    stasis = {
      source = "stasis-iac/stasis"
    }
  }
}

variable "urls" {
  description = "postgres://user:password@host:port/database of each"
  type        = object({ accounts = string, orders = string, stock = string })
  sensitive   = true
  ephemeral   = true
}

resource "stasis_snapshot" "books" {
  name = "books"
  members = {
    accounts = { postgres = { url = var.urls.accounts } }
    orders   = { postgres = { url = var.urls.orders } }
    stock    = { postgres = { url = var.urls.stock } }
  }
  store = { path = "./snapshots" }
}

output "cut" {
  value = {
    sharp    = stasis_snapshot.books.sharp
    pause_ms = stasis_snapshot.books.pause_ms
  }
}
