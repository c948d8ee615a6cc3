//! Encryption keys with the real parts: AWS KMS as moto has it, and openssl as an owner of material
//! uses it.

mod commands;
mod destroyed;
mod kms;
mod rejected;
mod rewrap;
mod served;
