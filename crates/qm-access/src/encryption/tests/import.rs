//! Material that its owner brings.

use aws_lc_rs::key_wrap::{AES_256, AesKek, KeyWrapPadded as _};
use aws_lc_rs::rsa::{
    OAEP_SHA1_MGF1SHA1, OAEP_SHA256_MGF1SHA256, OaepAlgorithm, OaepPublicEncryptingKey,
    PublicEncryptingKey,
};
use jiff::SignedDuration;
use std::collections::BTreeSet;

use super::super::import::{ImportOffer, WrappedMaterial, WrappingAlgorithm};
use super::super::state::{Generation, GenerationState, ImportPurpose, StateChange};
use super::*;
use WrappingAlgorithm::{RsaAesKeyWrapSha256, RsaesOaepSha256};
use qm_core::Kind;

const MATERIAL: [u8; 32] = [0xC4; 32];

impl House {
    fn begin(&self, purpose: ImportPurpose) -> ImportOffer {
        self.operator
            .begin_import(&name("brought"), purpose, self.now())
            .unwrap()
    }

    fn finish(&self, given: WrappedMaterial<'_>) -> Result<Generation> {
        self.operator
            .finish_import(&name("brought"), given, self.now())
    }

    /// Both halves of an import of this material.
    fn bring(
        &self,
        purpose: ImportPurpose,
        material: &[u8],
        expires: Option<Timestamp>,
    ) -> Result<Generation> {
        let offer = self.begin(purpose);
        let wrapped = oaep(&offer, material);
        self.finish(WrappedMaterial {
            expires,
            ..given(&offer, &wrapped, RsaesOaepSha256)
        })
    }
}

fn given<'a>(
    offer: &'a ImportOffer,
    wrapped: &'a [u8],
    algorithm: WrappingAlgorithm,
) -> WrappedMaterial<'a> {
    WrappedMaterial {
        token: offer.token.as_bytes(),
        wrapped,
        algorithm,
        expires: None,
    }
}

fn encrypt(
    offer: &ImportOffer,
    plain: &[u8],
    algorithm: &'static OaepAlgorithm,
    label: Option<&[u8]>,
) -> Vec<u8> {
    let key = PublicEncryptingKey::from_der(&offer.public_key).unwrap();
    let key = OaepPublicEncryptingKey::new(key).unwrap();
    let mut room = vec![0; key.ciphertext_size()];
    key.encrypt(algorithm, plain, &mut room, label)
        .unwrap()
        .to_vec()
}

fn oaep(offer: &ImportOffer, plain: &[u8]) -> Vec<u8> {
    encrypt(offer, plain, &OAEP_SHA256_MGF1SHA256, None)
}

fn key_wrapped(offer: &ImportOffer, material: &[u8]) -> Vec<u8> {
    let between = [0x5A; 32];
    let mut room = vec![0; material.len() + 16];
    let wrapped = AesKek::new(&AES_256, &between)
        .unwrap()
        .wrap_with_padding(material, &mut room)
        .unwrap();
    [oaep(offer, &between).as_slice(), wrapped].concat()
}

#[tokio::test]
async fn material_comes_in_by_both_ways() {
    type Wrap = fn(&ImportOffer, &[u8]) -> Vec<u8>;
    let ways: [(WrappingAlgorithm, Wrap); 2] =
        [(RsaesOaepSha256, oaep), (RsaAesKeyWrapSha256, key_wrapped)];
    let house = House::new();
    for (number, (algorithm, wrap)) in (1_u8..).zip(ways) {
        let offer = house.begin(ImportPurpose::Rotate);
        assert!(std::fs::metadata(house.path.join("brought/import.key")).is_ok());
        let wrapped = wrap(&offer, &[number; 32]);
        let generation = house.finish(given(&offer, &wrapped, algorithm)).unwrap();
        assert_eq!(generation.number, u32::from(number));
        let file = house.path.join(format!("brought/{number}.key"));
        assert_eq!(std::fs::read(file).unwrap(), [number; 32]);
        assert!(std::fs::metadata(house.path.join("brought/import.key")).is_err());
        let (key, envelope) = house.seal("brought").await.unwrap();
        assert_eq!(envelope.generation, u32::from(number));
        assert_eq!(house.open(&envelope).await.unwrap(), key);
    }
    assert!(
        house
            .operator
            .rotate(&name("brought"), house.now())
            .is_err()
    );
}

/// A token and what was wrapped, one of them wrong.
type Wrong = (Vec<u8>, Vec<u8>, WrappingAlgorithm);

fn wrong_tokens(offer: &ImportOffer, spent: &ImportOffer) -> Vec<Wrong> {
    let token = offer.token.as_bytes();
    let flipped = (0..token.len()).step_by(token.len() / 8).map(|at| {
        let mut flipped = token.to_vec();
        flipped[at] ^= 1;
        flipped
    });
    let others = [
        Vec::new(),
        b"x".to_vec(),
        spent.token.clone().into_bytes(),
        token[1..].to_vec(),
        [token, b"0"].concat(),
    ];
    let right = oaep(offer, &MATERIAL);
    let right_wrapped = key_wrapped(offer, &MATERIAL);
    flipped
        .chain(others)
        .flat_map(|wrong| {
            [
                (wrong.clone(), right.clone(), RsaesOaepSha256),
                (wrong, right_wrapped.clone(), RsaAesKeyWrapSha256),
            ]
        })
        .collect()
}

fn wrong_material(offer: &ImportOffer, spent: &ImportOffer) -> Vec<Wrong> {
    let flipped = |right: &[u8], step: usize| {
        let flip = |at: usize| {
            let mut flipped = right.to_vec();
            flipped[at] ^= 1;
            flipped
        };
        (0..right.len()).step_by(step).map(flip).collect::<Vec<_>>()
    };
    let right = oaep(offer, &MATERIAL);
    let right_wrapped = key_wrapped(offer, &MATERIAL);
    let mut plain = flipped(&right, 20);
    plain.extend([0, 1, 16, 24, 31, 33, 64].map(|length| oaep(offer, &vec![1; length])));
    plain.extend([
        right_wrapped.clone(),
        oaep(spent, &MATERIAL),
        encrypt(offer, &MATERIAL, &OAEP_SHA256_MGF1SHA256, Some(b"label")),
        encrypt(offer, &MATERIAL, &OAEP_SHA1_MGF1SHA1, None),
    ]);
    let mut twice = flipped(&right_wrapped, 30);
    twice.extend([1, 16, 24, 31, 33, 64].map(|length| key_wrapped(offer, &vec![1; length])));
    twice.extend([right, key_wrapped(spent, &MATERIAL)]);
    let token = offer.token.as_bytes();
    let mut wrong = Vec::new();
    for (mut wrapped, algorithm) in [(plain, RsaesOaepSha256), (twice, RsaAesKeyWrapSha256)] {
        wrapped.extend([
            vec![],
            b"x".to_vec(),
            vec![0; 512],
            vec![0xFF; 552],
            vec![7; 4096],
        ]);
        wrapped.push(MATERIAL.to_vec());
        wrong.extend(wrapped.into_iter().map(|w| (token.to_vec(), w, algorithm)));
    }
    wrong
}

/// Whatever is wrong, the answer is the same, and the right import works all the same.
#[test]
fn a_hundred_wrong_imports_have_one_answer() {
    let house = House::new();
    let spent = house.begin(ImportPurpose::Again);
    let offer = house.begin(ImportPurpose::Again);
    let mut answers = BTreeSet::new();
    let mut refuse = |token: &[u8], wrapped: &[u8], algorithm| {
        let given = WrappedMaterial {
            token,
            wrapped,
            algorithm,
            expires: None,
        };
        let error = house.finish(given).unwrap_err();
        answers.insert(format!("{error:?} {:?}", error.remedy()));
    };
    let wrong = [wrong_tokens(&offer, &spent), wrong_material(&offer, &spent)].concat();
    assert!(wrong.len() >= 100, "{}", wrong.len());
    for (token, wrapped, algorithm) in &wrong {
        refuse(token, wrapped, *algorithm);
    }
    let right = oaep(&offer, &MATERIAL);
    assert!(house.finish(given(&offer, &right, RsaesOaepSha256)).is_ok());
    // Replayed.
    refuse(offer.token.as_bytes(), &right, RsaesOaepSha256);
    // A day too late.
    let late = house.begin(ImportPurpose::Again);
    house.clock.advance(SignedDuration::from_hours(24));
    let wrapped = oaep(&late, &MATERIAL);
    refuse(late.token.as_bytes(), &wrapped, RsaesOaepSha256);
    assert_eq!(answers.len(), 1, "{answers:#?}");
}

#[test]
fn a_token_is_good_to_the_last_moment_and_for_its_key_only() {
    let house = House::new();
    let offer = house.begin(ImportPurpose::Again);
    let wrapped = oaep(&offer, &MATERIAL);
    let given = given(&offer, &wrapped, RsaesOaepSha256);
    let other = house
        .operator
        .finish_import(&name("other"), given, house.now());
    assert_eq!(other.unwrap_err().kind(), Kind::Refused);
    assert_eq!(house.operator.list(house.now()).unwrap().len(), 1);
    house
        .clock
        .advance(SignedDuration::from_hours(24) - SignedDuration::from_nanos(1));
    assert!(house.finish(given).is_ok());
}

#[tokio::test]
async fn deleted_material_comes_back_only_as_it_was() {
    let house = House::new();
    house.bring(ImportPurpose::Again, &MATERIAL, None).unwrap();
    let (key, envelope) = house.seal("brought").await.unwrap();
    let change = |change| {
        house
            .operator
            .change(&name("brought"), None, change, house.now())
    };
    change(StateChange::DeleteMaterial).unwrap();
    assert!(!house.path.join("brought/1.key").exists());
    let error = house.open(&envelope).await.unwrap_err();
    assert!(
        said(&error).contains("was deleted or has expired"),
        "{error:?}"
    );

    let error = house
        .bring(ImportPurpose::Again, &[1; 32], None)
        .unwrap_err();
    assert_eq!(error.kind(), Kind::Conflict);
    assert!(
        error.public_message().contains("not the material"),
        "{error:?}"
    );
    assert!(house.open(&envelope).await.is_err());

    let same = house.bring(ImportPurpose::Again, &MATERIAL, None).unwrap();
    assert_eq!(same.number, 1);
    assert_eq!(house.open(&envelope).await.unwrap(), key);
    let error = house
        .bring(ImportPurpose::Rotate, &MATERIAL, None)
        .unwrap_err();
    assert!(
        error.public_message().contains("not new material"),
        "{error:?}"
    );

    change(StateChange::Destroy).unwrap();
    let error = house
        .bring(ImportPurpose::Again, &MATERIAL, None)
        .unwrap_err();
    assert!(
        error.public_message().contains("destroyed for ever"),
        "{error:?}"
    );
}

#[tokio::test]
async fn material_expires_by_itself() {
    let house = House::new();
    let at = house.now() + SignedDuration::from_hours(48);
    let past = house.bring(ImportPurpose::Again, &MATERIAL, Some(house.now()));
    assert_eq!(past.unwrap_err().kind(), Kind::Invalid);
    house
        .bring(ImportPurpose::Again, &MATERIAL, Some(at))
        .unwrap();
    let (key, envelope) = house.seal("brought").await.unwrap();
    house.clock.set(at - SignedDuration::from_nanos(1));
    house.store.tend().unwrap();
    assert_eq!(house.open(&envelope).await.unwrap(), key);

    house.clock.set(at);
    assert!(house.open(&envelope).await.is_err());
    assert!(!format!("{:?}", house.store.local).contains("1: ***"));
    assert!(house.path.join("brought/1.key").exists());
    house.store.tend().unwrap();
    assert!(!house.path.join("brought/1.key").exists());
    let keys = house.operator.list(house.now()).unwrap();
    assert_eq!(keys[0].1.generations[0].state, GenerationState::Missing);

    house.bring(ImportPurpose::Again, &MATERIAL, None).unwrap();
    assert_eq!(house.open(&envelope).await.unwrap(), key);
}

/// A wrapping key that nobody used does not outlive its token.
#[test]
fn private_halves_are_sealed_and_do_not_stay() {
    let house = House::new();
    house.begin(ImportPurpose::Again);
    let file = house.path.join("brought/import.key");
    let sealed = std::fs::read(&file).unwrap();
    assert!(aws_lc_rs::rsa::PrivateDecryptingKey::from_pkcs8(&sealed).is_err());
    house.clock.advance(SignedDuration::from_hours(24));
    house.store.tend().unwrap();
    assert!(!file.exists());
}
