//! How is a question written?
//!
//! As a base of plain aggregates by the keys, to which are joined one table of quantiles for every
//! amount that has any and one of sketches for every dimension whose different values are counted.
//! The first key is the part of time, so that every table has a key.

use super::columns::{self, WEIGHT};
use super::condition;
use super::dialect::{self, Dialect};
use super::refused::Refused;
use crate::question::{Amount, Dimension, Measure, Order, Question};
use crate::store::arguments::Arguments;
use crate::store::sketches::{COUNTED, HEIGHT, OF, REGISTER};

/// Groups that are ordered in memory at most.
pub const MOST_TO_ORDER: usize = 200_000;

/// A question as SQL over `events`. A row has the start of the part of time, the dimensions and
/// the measures; a measure [`Measure::Distinct`] is pairs of rank and registers as text.
#[derive(Clone, Debug)]
pub struct Counting {
    /// The text.
    pub sql: String,
    /// Its parameters.
    pub arguments: Arguments,
    /// Rows come in no order and must be ordered by what their sketches say.
    pub unordered: bool,
}

/// What is known of the calls before they are counted; nothing, by default.
#[derive(Clone, Copy, Debug, Default)]
pub struct Known {
    /// `sketches` has the registers of calls that are only counted any more, by dimension; the question
    /// asks for nothing that they do not have.
    pub sketched: bool,
    /// Every row stands for one call.
    pub even: bool,
    /// A number of two bytes for each row has room in memory.
    pub few: bool,
}

/// Writes a question.
pub fn count(question: &Question, dialect: Dialect, known: Known) -> Result<Counting, Refused> {
    let mut arguments = Arguments::of(dialect);
    let writer = Writer::new(question, known, &mut arguments)?;
    let (order, unordered) = writer.order()?;
    let most = if unordered { MOST_TO_ORDER } else { question.most };
    let sql = format!(
        "SELECT {} FROM ({}) base {} {order} LIMIT {}",
        writer.selected(),
        writer.base(),
        writer.joins(),
        most.saturating_add(1)
    );
    Ok(Counting { sql, arguments, unordered })
}

struct Writer<'a> {
    question: &'a Question,
    dialect: Dialect,
    /// Expressions of the keys; `k0`, `k1` … are their names.
    keys: Vec<String>,
    condition: String,
    known: Known,
}

impl<'a> Writer<'a> {
    fn new(
        question: &'a Question,
        known: Known,
        arguments: &mut Arguments,
    ) -> Result<Self, Refused> {
        let start = match question.interval_us {
            Some(length) if length > 0 => dialect::start(&arguments.number(length)),
            Some(length) => return Err(Refused::Interval(length)),
            None => arguments.number(question.window.since_us),
        };
        let by = question.by.iter().map(|dimension| columns::of(*dimension).sql());
        Ok(Self {
            question,
            dialect: arguments.dialect(),
            keys: std::iter::once(start).chain(by).collect(),
            condition: condition::all(&question.conditions, arguments)?,
            known,
        })
    }

    /// `k0, k1`
    fn names(&self) -> String {
        (0..self.keys.len()).map(|n| format!("k{n}")).collect::<Vec<_>>().join(", ")
    }

    /// `… AS k0, … AS k1`
    fn named(&self) -> String {
        let named = self.keys.iter().enumerate().map(|(n, key)| format!("{key} AS k{n}"));
        named.collect::<Vec<_>>().join(", ")
    }

    /// What groups are told apart by: a time that is not cut does not take part, unless nothing
    /// else does.
    fn groups(&self) -> String {
        let first = usize::from(self.question.interval_us.is_none() && self.keys.len() > 1);
        (first..self.keys.len()).map(|n| format!("k{n}")).collect::<Vec<_>>().join(", ")
    }

    /// For how many calls a row stands.
    const fn weight(&self) -> &'static str {
        if self.known.even { "1" } else { WEIGHT }
    }

    /// Whether quantiles are read from the buckets of all calls of a group, one by one. That is several
    /// times quicker than counting the calls of each bucket.
    fn lists(&self) -> bool {
        self.dialect == Dialect::DuckDb && self.known.even && self.known.few
    }

    fn base(&self) -> String {
        let (named, groups, condition) = (self.named(), self.groups(), &self.condition);
        let plain: String = self
            .measures()
            .filter_map(|(n, measure)| Some(format!(", {} AS m{n}", self.plain(measure)?)))
            .collect();
        let (lists, quantiles) = if self.lists() { self.listed() } else { Default::default() };
        let base =
            format!("SELECT {named}{plain}{lists} FROM events WHERE {condition} GROUP BY {groups}");
        if quantiles.is_empty() { base } else { format!("SELECT *{quantiles} FROM ({base})") }
    }

    /// For each amount that has quantiles the list of their buckets and the largest amount; and the
    /// measures made of these.
    fn listed(&self) -> (String, String) {
        let (lists, quantiles): (Vec<_>, Vec<_>) =
            self.amounts().into_iter().enumerate().map(|(at, of)| self.list(at, of)).unzip();
        (lists.concat(), quantiles.concat())
    }

    fn list(&self, at: usize, of: Amount) -> (String, String) {
        let amount = columns::amount(of, self.dialect);
        let (bucket, counted) = (dialect::bucket(&amount), columns::counted(of).unwrap_or("true"));
        let wanted: Vec<(usize, u16)> = self
            .measures()
            .filter_map(|(n, measure)| match measure {
                Measure::Quantile(amount, share) => (amount == of).then_some((n, share)),
                _ => None,
            })
            .collect();
        // Thousandths, exactly.
        let share = |share: &u16| format!("{}.{:03}", share / 1000, share % 1000);
        let shares = wanted.iter().map(|(_, of)| share(of)).collect::<Vec<_>>().join(", ");
        let quantiles = wanted.iter().zip(1..).map(|((n, _), place)| {
            let quantile = dialect::of_bucket(&format!("q{at}[{place}]"), &format!("l{at}"));
            format!(", {quantile} AS m{n}")
        });
        let list = format!(
            ", quantile_disc(({bucket})::SMALLINT, [{shares}]) FILTER (WHERE {counted}) AS q{at},
            max({amount}) FILTER (WHERE {counted}) AS l{at}"
        );
        (list, quantiles.collect())
    }

    /// The amounts that have quantiles.
    fn amounts(&self) -> Vec<Amount> {
        let mut amounts = Vec::new();
        for (_, measure) in self.measures() {
            match measure {
                Measure::Quantile(of, _) if !amounts.contains(&of) => amounts.push(of),
                _ => {}
            }
        }
        amounts
    }

    fn measures(&self) -> impl Iterator<Item = (usize, Measure)> {
        self.question.measures.iter().copied().enumerate()
    }

    /// A measure that is an aggregate by itself.
    fn plain(&self, measure: Measure) -> Option<String> {
        let amount = |amount| columns::amount(amount, self.dialect);
        let weight = self.weight();
        let of = |which: &str| format!("sum(CASE WHEN {which} THEN {weight} ELSE 0 END)::DOUBLE");
        Some(match measure {
            Measure::Calls => format!("sum({weight})::DOUBLE"),
            Measure::Errors => of("status = 0 OR status >= 400"),
            Measure::ServerErrors => of("status >= 500"),
            Measure::Throttled => of("fault_type = 'THROTTLED'"),
            Measure::Cached => of(&columns::of(Dimension::FromCache).sql()),
            Measure::Sum(of) => self.dialect.sum(&amount(of), weight),
            Measure::Mean(of) => {
                self.dialect.mean(&amount(of), weight, columns::counted(of).unwrap_or("true"))
            }
            Measure::Max(of) => format!("max({})::DOUBLE", amount(of)),
            Measure::Last => "max(at_us)::DOUBLE".to_owned(),
            Measure::Quantile(..) | Measure::Distinct(_) => return None,
        })
    }

    fn joins(&self) -> String {
        let counted = if self.lists() { Vec::new() } else { self.amounts() };
        let sketches = self.measures().filter_map(|(n, measure)| match measure {
            Measure::Distinct(dimension) => Some(self.sketch(n, dimension)),
            _ => None,
        });
        let tables: Vec<_> =
            counted.into_iter().map(|amount| self.quantiles(amount)).chain(sketches).collect();
        let names = self.names();
        let join = |(n, table)| format!("LEFT JOIN ({table}) t{n} USING ({names})");
        tables.into_iter().enumerate().map(join).collect::<Vec<_>>().join(" ")
    }

    /// A quantile is the bucket of the first amount that at least so many do not exceed.
    fn quantiles(&self, of: Amount) -> String {
        let (named, names, condition) = (self.named(), self.names(), &self.condition);
        let (groups, weight) = (self.groups(), self.weight());
        let amount = columns::amount(of, self.dialect);
        let bucket = dialect::bucket(&amount);
        let counted = columns::counted(of).unwrap_or("true");
        let quantiles: String = self
            .measures()
            .filter_map(|(n, measure)| match measure {
                Measure::Quantile(amount, share) if amount == of => {
                    let bucket =
                        format!("min(CASE WHEN upto * 1000 >= {share} * calls THEN bucket END)");
                    Some(format!(", {} AS m{n}", dialect::of_bucket(&bucket, "max(largest)")))
                }
                _ => None,
            })
            .collect();
        format!(
            "SELECT {names}{quantiles} FROM (
                SELECT {names}, bucket, largest,
                    sum(n) OVER (PARTITION BY {names} ORDER BY bucket) AS upto,
                    sum(n) OVER (PARTITION BY {names}) AS calls
                FROM (
                    SELECT {named}, {bucket} AS bucket, sum({weight}) AS n, max({amount}) AS largest
                    FROM events WHERE {condition} AND {counted}
                    GROUP BY {groups}, bucket))
            GROUP BY {names}"
        )
    }

    fn sketch(&self, n: usize, of: Dimension) -> String {
        let names = self.names();
        let pairs = self.dialect.pairs("height", "registers");
        let registers = if self.known.sketched && COUNTED.contains(&of) {
            self.registers_of_all_times(of)
        } else {
            self.registers(of)
        };
        format!(
            "SELECT {names}, {pairs} AS m{n} FROM (
                SELECT {names}, height, count(*) AS registers FROM ({registers})
                GROUP BY {names}, height)
            GROUP BY {names}"
        )
    }

    /// The registers of calls, and the largest rank in each.
    fn registers(&self, of: Dimension) -> String {
        let (named, names, condition) = (self.named(), self.names(), &self.condition);
        let (groups, column) = (self.groups(), columns::of(of));
        let (digest, is_known) = (column.digest(self.dialect), column.is_known());
        let (register, rest) = (self.dialect.register(&digest), self.dialect.rest(&digest));
        // A logarithm for each register, and not for each call.
        let rank = dialect::rank("rest");
        format!(
            "SELECT {names}, register, {rank} AS height FROM (
                SELECT {named}, {register} AS register, min({rest}) AS rest
                FROM events WHERE {condition} AND {is_known}
                GROUP BY {groups}, register)"
        )
    }

    /// The same together with those that were kept of calls.
    fn registers_of_all_times(&self, of: Dimension) -> String {
        let (named, names, condition) = (self.named(), self.names(), &self.condition);
        let column = columns::of(of);
        let (value, is_known, name) = (column.digested(), column.is_known(), column.name);
        let register = self.dialect.register("digest");
        let rank = dialect::rank(&self.dialect.rest("digest"));
        let digest = column.lasting_digest(self.dialect, "value");
        let whole = self.dialect.amount();
        format!(
            "SELECT {names}, register, max(height) AS height FROM (
                SELECT {names}, {register} AS register, {rank} AS height FROM (
                    SELECT {names}, {digest} AS digest FROM (
                        SELECT DISTINCT {named}, {value} AS value
                        FROM events WHERE {condition} AND {is_known}))
                UNION ALL
                SELECT {named}, {REGISTER}::{whole} AS register, {HEIGHT}::INTEGER AS height
                FROM sketches WHERE {condition} AND \"{OF}\" = '{name}')
            GROUP BY {names}, register"
        )
    }

    fn selected(&self) -> String {
        let measures = self.measures().map(|(n, measure)| match measure {
            Measure::Distinct(_) => format!(", coalesce(m{n}, '')"),
            _ => format!(", coalesce(m{n}, 0)::DOUBLE"),
        });
        let by = self.question.by.iter().zip(1..);
        let by = by
            .map(|(of, n)| format!(", {}", columns::of(*of).shown(&format!("k{n}"), self.dialect)));
        std::iter::once("k0".to_owned()).chain(by).chain(measures).collect()
    }

    /// The order, and whether it has to be made later.
    fn order(&self) -> Result<(String, bool), Refused> {
        let first = |n: usize, way: &str| match self.question.measures.get(n) {
            None => Err(Refused::NoMeasure(n)),
            Some(Measure::Distinct(_)) => Ok(None),
            // As in the selection: what is not there is 0.
            Some(_) => Ok(Some(format!("coalesce(m{n}, 0) {way}"))),
        };
        let measure = match self.question.order {
            Order::Most(n) => first(n, "DESC")?,
            Order::Least(n) => first(n, "ASC")?,
            Order::Values => Some(String::new()),
        };
        let Some(measure) = measure else { return Ok((String::new(), true)) };
        let keys = (1..self.keys.len()).map(|n| format!("k{n}"));
        let order: Vec<String> = std::iter::once("k0".to_owned())
            .chain((!measure.is_empty()).then_some(measure))
            .chain(keys)
            .collect();
        Ok((format!("ORDER BY {}", order.join(", ")), false))
    }
}
