//! Which calls are looked for, and where does a page begin?
//!
//! A page token says where the page before ended, in which time, and of which question it was.

use data_encoding::{BASE64URL_NOPAD, HEXLOWER_PERMISSIVE};
use prost::Message as _;
use sha2::{Digest as _, Sha256};
use tonic::Status;
use turnpike_proto::usage::v1;

use super::from_filter::{self, refused};
use super::from_query;
use crate::live::Wanted;
use crate::question::{Place, Search, Window};

const FEW: u32 = 100;
const MOST: u32 = 1000;

/// A question for calls, and the mark that the tokens of its pages carry.
#[derive(Debug)]
pub struct Asked {
    /// The question.
    pub search: Search,
    mark: [u8; 8],
}

/// What a token holds.
#[derive(Clone, PartialEq, prost::Message)]
struct Token {
    #[prost(int64, tag = "1")]
    since_us: i64,
    #[prost(int64, tag = "2")]
    until_us: i64,
    #[prost(int64, tag = "3")]
    at_us: i64,
    #[prost(bytes = "vec", tag = "4")]
    request_id: Vec<u8>,
    #[prost(bytes = "vec", tag = "5")]
    mark: Vec<u8>,
}

/// A page of calls.
pub fn logs(asked: v1::LogsRequest, now_us: i64) -> Result<Asked, Status> {
    let mark = mark(&asked);
    let v1::LogsRequest { filter, conditions, request_id, slower_than, page_size, page_token } =
        asked;
    let filter = from_filter::filter(filter, now_us)?;
    let all = filter.conditions(from_query::conditions(conditions)?);
    let token = read(&page_token, mark)?;
    let window = token.as_ref().map_or(filter.window, |(window, _)| *window);
    let search = Search {
        window,
        conditions: all,
        request_id: self::request_id(&request_id)?,
        slower_than_us: slower_than.map(slower_than_us).transpose()?,
        after: token.map(|(_, place)| place),
        most: match page_size {
            0 => FEW,
            1..=MOST => page_size,
            _ => return Err(refused("page_size", &format!("is more than {MOST}"))),
        } as usize,
    };
    Ok(Asked { search, mark })
}

/// Which calls somebody wants to see as they come.
pub fn tail(asked: v1::TailRequest) -> Result<Wanted, Status> {
    let v1::TailRequest { api, application, conditions, slower_than } = asked;
    let named = v1::Filter { api, application, ..v1::Filter::default() };
    let filter = from_filter::filter(Some(named), 0)?;
    let all = filter.conditions(from_query::conditions(conditions)?);
    let slower_than_us = slower_than.map(slower_than_us).transpose()?.unwrap_or(0);
    Ok(Wanted { conditions: all, slower_than_us })
}

impl Asked {
    /// The token of the page that begins behind a place.
    pub fn token(&self, place: Place) -> String {
        let Window { since_us, until_us } = self.search.window;
        let token = Token {
            since_us,
            until_us,
            at_us: place.at_us,
            request_id: place.request_id.to_vec(),
            mark: self.mark.to_vec(),
        };
        BASE64URL_NOPAD.encode(&token.encode_to_vec())
    }
}

/// Stays the same from page to page: all that is asked but the time, the size and the token.
fn mark(asked: &v1::LogsRequest) -> [u8; 8] {
    let mut asked = v1::LogsRequest { page_size: 0, page_token: String::new(), ..asked.clone() };
    if let Some(filter) = &mut asked.filter {
        (filter.since, filter.until) = (None, None);
    }
    asked.filter.get_or_insert_default();
    let digest = Sha256::digest(asked.encode_to_vec());
    std::array::from_fn(|at| digest.get(at).copied().unwrap_or_default())
}

fn read(token: &str, mark: [u8; 8]) -> Result<Option<(Window, Place)>, Status> {
    if token.is_empty() {
        return Ok(None);
    }
    let bytes = BASE64URL_NOPAD.decode(token.as_bytes()).ok();
    let token = bytes.and_then(|bytes| Token::decode(bytes.as_slice()).ok());
    let token = token.ok_or_else(|| refused("page_token", "is none that was given out"))?;
    if token.mark != mark {
        return Err(refused("page_token", "is of another question"));
    }
    let request_id = <[u8; 16]>::try_from(token.request_id)
        .map_err(|_| refused("page_token", "is none that was given out"))?;
    let Token { since_us, until_us, at_us, .. } = token;
    Ok(Some((Window { since_us, until_us }, Place { at_us, request_id })))
}

fn request_id(text: &str) -> Result<Option<[u8; 16]>, Status> {
    if text.is_empty() {
        return Ok(None);
    }
    let digits = text.replace('-', "");
    let bytes = HEXLOWER_PERMISSIVE.decode(digits.as_bytes()).ok();
    let bytes = bytes.and_then(|bytes| <[u8; 16]>::try_from(bytes).ok());
    bytes.map(Some).ok_or_else(|| refused("request_id", "is not 32 hexadecimal digits"))
}

fn slower_than_us(span: prost_types::Duration) -> Result<u64, Status> {
    let us = from_filter::duration_us(span).and_then(|us| u64::try_from(us).ok());
    us.ok_or_else(|| refused("slower_than", "is no duration"))
}

#[cfg(test)]
mod tests {
    use super::*;

    const NOW_US: i64 = 1_795_392_000_000_000;

    fn asked(api: &str, page_token: &str) -> v1::LogsRequest {
        let filter = v1::Filter { api: api.to_owned(), ..v1::Filter::default() };
        let page_token = page_token.to_owned();
        v1::LogsRequest { filter: Some(filter), page_token, ..v1::LogsRequest::default() }
    }

    #[track_caller]
    fn check(asked: v1::LogsRequest, refusal: &str) {
        let said = logs(asked, NOW_US)
            .map_or_else(|status| status.message().to_owned(), |_| String::new());
        assert_eq!(said, refusal);
    }

    #[test]
    fn a_page_begins_where_the_one_before_ended_in_the_same_time() {
        let first = logs(asked("orders", ""), NOW_US).unwrap();
        assert_eq!((first.search.after, first.search.most), (None, 100));
        let place = Place { at_us: 7, request_id: [3; 16] };
        let token = first.token(place);
        let second = logs(asked("orders", &token), NOW_US + 1_000_000).unwrap();
        assert_eq!((second.search.after, second.search.window), (Some(place), first.search.window));
        let sized = v1::LogsRequest { page_size: 5, ..asked("orders", &token) };
        check(sized, "");
        check(asked("pay", &token), "page_token is of another question");
        check(asked("orders", "!"), "page_token is none that was given out");
        check(asked("orders", "AAAA"), "page_token is none that was given out");
    }

    #[test]
    fn what_is_wrong_is_named() {
        check(v1::LogsRequest { page_size: 1001, ..asked("", "") }, "page_size is more than 1000");
        let slower_than = Some(prost_types::Duration { seconds: -1, nanos: 0 });
        check(v1::LogsRequest { slower_than, ..asked("", "") }, "slower_than is no duration");
        let request_id = "12".to_owned();
        check(
            v1::LogsRequest { request_id, ..asked("", "") },
            "request_id is not 32 hexadecimal digits",
        );
    }

    #[test]
    fn a_call_is_found_by_its_name_in_every_spelling() {
        for text in ["0102030405060708090a0b0c0d0e0f10", "01020304-0506-0708-090A-0b0c0d0e0f10"] {
            let id = request_id(text).unwrap().unwrap();
            assert_eq!((id[0], id[9], id[15]), (1, 10, 16));
        }
    }
}
