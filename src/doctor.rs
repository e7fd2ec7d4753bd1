//! What may keep jobs from running on a cluster, and what to do about it.
