//! What the end-to-end tests and the recipes' checks share.
