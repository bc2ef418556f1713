// Snapshot and Restore of running applications, as resources.
package stasis
