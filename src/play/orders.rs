//! Orders on their way: what the player wished, what was sent, and what waits at the server.
//!
//! The server tells how many orders wait, not which. Orders leave its queue at the front, so those
//! that wait are always the last of those it was sent. One request is under way at a time, and each
//! has an idempotency key, so that what a broken connection may have swallowed is sent again and
//! played once.

use std::collections::VecDeque;

use proto::v1::{self, order::Kind, play_request, play_response};

/// Row and column.
pub type Tile = (usize, usize);

/// What a seat can be told to do in a tick.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Order {
    /// Nothing.
    Pass,
    /// March to a neighbouring tile.
    March {
        /// Where it begins.
        from: Tile,
        /// Where it ends.
        to: Tile,
        /// Whether half of the army stays.
        half: bool,
    },
    /// Build a city.
    Build(Tile),
}

impl Order {
    fn wire(self) -> v1::Order {
        let number = |n: usize| u32::try_from(n).unwrap_or(u32::MAX);
        let kind = match self {
            Self::Pass => None,
            Self::March { from, to, half } => Some(Kind::March(v1::March {
                from_row: number(from.0),
                from_column: number(from.1),
                to_row: number(to.0),
                to_column: number(to.1),
                half,
            })),
            Self::Build((row, column)) => {
                Some(Kind::Build(v1::Build { row: number(row), column: number(column) }))
            }
        };
        v1::Order { kind }
    }
}

/// What the player asked for.
#[derive(Clone, Debug, PartialEq, Eq)]
enum Wish {
    Add(Order),
    Undo,
    Clear,
    Surrender,
}

/// A request that has no answer yet.
#[derive(Clone, Debug)]
struct Sent {
    id: u64,
    request: play_request::Kind,
    /// The tick that was known then.
    tick: u32,
    /// The queue, if the request is granted.
    becomes: Vec<Order>,
}

/// The orders of a seat.
#[derive(Clone, Debug)]
pub struct Orders {
    /// In the server's queue.
    waiting: VecDeque<Order>,
    /// The first is the one that was sent, if one was.
    wishes: VecDeque<Wish>,
    sent: Option<Sent>,
    /// Whether what was sent has to be sent again.
    is_lost: bool,
    /// What idempotency keys of this player begin with.
    prefix: String,
    requests: u64,
    /// The tick of the last answer: what updates up to it say of the queue is older.
    answered: Option<u32>,
    /// The last tick that is known.
    tick: u32,
    /// How many orders waited after it, as its update told.
    queued: u32,
    /// A tick that has to be over before the next request.
    stalled: Option<u32>,
}

impl Orders {
    /// No orders. `prefix` tells this player's requests from those of another run.
    #[must_use]
    pub fn new(prefix: String) -> Self {
        Self {
            waiting: VecDeque::new(),
            wishes: VecDeque::new(),
            sent: None,
            is_lost: false,
            prefix,
            requests: 0,
            answered: None,
            tick: 0,
            queued: 0,
            stalled: None,
        }
    }

    /// Adds an order behind those that wait.
    pub fn add(&mut self, order: Order) {
        self.wishes.push_back(Wish::Add(order));
    }

    /// Takes the last order back, and returns it if there is one.
    pub fn undo(&mut self) -> Option<Order> {
        let last = self.all().last()?;
        match self.wishes.back() {
            // It was never sent.
            Some(Wish::Add(_)) if self.wishes.len() > usize::from(self.sent.is_some()) => {
                self.wishes.pop_back();
            }
            _ => self.wishes.push_back(Wish::Undo),
        }
        Some(last)
    }

    /// Takes all orders back.
    pub fn clear(&mut self) {
        self.wishes.truncate(usize::from(self.sent.is_some()));
        self.wishes.push_back(Wish::Clear);
    }

    /// Gives the game up.
    pub fn surrender(&mut self) {
        self.wishes.push_back(Wish::Surrender);
    }

    /// The orders as they will wait when all wishes are granted, first to last.
    pub fn all(&self) -> impl Iterator<Item = Order> + use<> {
        let mut orders: Vec<Order> = self.waiting.iter().copied().collect();
        for wish in &self.wishes {
            match wish {
                Wish::Add(order) => orders.push(*order),
                Wish::Undo => drop(orders.pop()),
                Wish::Clear => orders.clear(),
                Wish::Surrender => {}
            }
        }
        orders.into_iter()
    }

    /// Whether the server has answered all that was wished for.
    #[must_use]
    pub fn are_granted(&self) -> bool {
        self.wishes.is_empty()
    }

    /// The next request, if it is time for one.
    pub fn request(&mut self) -> Option<v1::PlayRequest> {
        if let Some(sent) = &self.sent {
            let again = std::mem::take(&mut self.is_lost);
            return again
                .then(|| v1::PlayRequest { kind: Some(sent.request.clone()), id: sent.id });
        }
        if self.stalled.is_some() {
            return None;
        }
        let wish = self.wishes.front()?.clone();
        self.requests += 1;
        let mut becomes: Vec<Order> = self.waiting.iter().copied().collect();
        let request = match wish {
            Wish::Add(order) => {
                becomes.push(order);
                play_request::Kind::Submit(v1::SubmitActionRequest {
                    orders: vec![order.wire()],
                    idempotency_key: self.key(),
                    ..v1::SubmitActionRequest::default()
                })
            }
            Wish::Undo if becomes.len() > 1 => {
                becomes.pop();
                play_request::Kind::Submit(v1::SubmitActionRequest {
                    orders: becomes.iter().map(|order| order.wire()).collect(),
                    // Orders that a tick has taken meanwhile must not be played once more.
                    expected_tick: Some(self.tick),
                    idempotency_key: self.key(),
                    replace_queue: true,
                    ..v1::SubmitActionRequest::default()
                })
            }
            Wish::Undo | Wish::Clear => {
                becomes.clear();
                play_request::Kind::ClearQueue(v1::ClearQueueRequest::default())
            }
            Wish::Surrender => play_request::Kind::Surrender(v1::SurrenderRequest::default()),
        };
        let id = self.requests;
        let asked = v1::PlayRequest { kind: Some(request.clone()), id };
        self.sent = Some(Sent { id, request, tick: self.tick, becomes });
        Some(asked)
    }

    fn key(&self) -> String {
        format!("{}-{}", self.prefix, self.requests)
    }

    /// Hears an answer, and returns what to tell the player if the request failed.
    pub fn answered(&mut self, id: u64, answer: &play_response::Kind) -> Option<String> {
        let sent = self.sent.take_if(|sent| sent.id == id)?;
        if let play_response::Kind::Failure(failure) = answer {
            let is_late = failure.reason() == v1::Reason::WrongTick;
            if is_late && self.wishes.front() == Some(&Wish::Undo) {
                // A tick came first: what is left of the queue is known with its update.
                self.stalled = (self.tick == sent.tick).then_some(sent.tick);
                return None;
            }
            self.wishes.pop_front();
            return Some(failure.message.clone());
        }
        self.wishes.pop_front();
        self.waiting = sent.becomes.into();
        if let play_response::Kind::Submitted(submitted) = answer {
            self.answered = Some(submitted.tick);
            // An update may overtake the answer: that of a later tick counts what was granted
            // before it, less what the ticks since have taken.
            let is_overtaken = submitted.tick < self.tick;
            self.keep_last(if is_overtaken { self.queued } else { submitted.queued });
        }
        None
    }

    /// Hears of a tick, after which so many orders wait.
    pub fn updated(&mut self, tick: u32, queued: u32) {
        self.tick = tick;
        self.queued = queued;
        self.stalled.take_if(|stalled| *stalled < tick);
        if self.answered.is_none_or(|answered| answered < tick) {
            self.keep_last(queued);
        }
    }

    /// Hears that the connection was opened again.
    pub fn reopened(&mut self) {
        self.is_lost = self.sent.is_some();
        self.stalled = None;
    }

    fn keep_last(&mut self, queued: u32) {
        let kept = usize::try_from(queued).unwrap_or(usize::MAX).min(self.waiting.len());
        self.waiting.drain(..self.waiting.len() - kept);
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use play_request::Kind::{ClearQueue, Submit};
    use play_response::Kind::{Cleared, Failure, Submitted};

    fn march(column: usize) -> Order {
        Order::March { from: (0, column), to: (0, column + 1), half: false }
    }

    fn granted(tick: u32, queued: u32) -> play_response::Kind {
        Submitted(v1::SubmitActionResponse { tick, queued })
    }

    /// Orders of which so many wait at the server.
    fn waiting(count: usize) -> Orders {
        let mut orders = Orders::new("run".to_owned());
        for column in 0..count {
            orders.add(march(column));
            let id = orders.request().unwrap().id;
            assert_eq!(orders.answered(id, &granted(0, u32::try_from(column + 1).unwrap())), None);
        }
        orders
    }

    fn shown(orders: &Orders) -> Vec<Order> {
        orders.all().collect()
    }

    #[test]
    fn one_request_is_under_way_at_a_time() {
        let mut orders = Orders::new("run".to_owned());
        orders.add(march(0));
        orders.add(march(1));
        let first = orders.request().unwrap();
        assert!(orders.request().is_none() && !orders.are_granted());
        assert_eq!(shown(&orders), [march(0), march(1)]);
        orders.answered(first.id, &granted(0, 1));
        let second = orders.request().unwrap();
        let (Some(Submit(first)), Some(Submit(second))) = (first.kind, second.kind) else {
            panic!("orders are submitted");
        };
        assert_ne!(first.idempotency_key, second.idempotency_key);
    }

    #[test]
    fn ticks_take_orders_from_the_front_and_old_news_takes_none() {
        let mut orders = waiting(3);
        orders.updated(0, 2);
        assert_eq!(shown(&orders).len(), 3, "the update is older than the answer");
        orders.updated(1, 2);
        assert_eq!(shown(&orders), [march(1), march(2)]);
        orders.updated(2, 0);
        assert_eq!(shown(&orders), []);
    }

    #[test]
    fn an_answer_that_an_update_overtook_leaves_what_the_update_counted() {
        let mut orders = waiting(1);
        orders.add(march(1));
        let request = orders.request().unwrap();
        orders.updated(1, 1);
        assert_eq!(orders.answered(request.id, &granted(0, 2)), None);
        assert_eq!(shown(&orders), [march(1)]);
        orders.updated(2, 0);
        assert_eq!(shown(&orders), []);
    }

    #[test]
    fn the_last_order_is_taken_back_wherever_it_is() {
        let mut orders = waiting(2);
        orders.add(march(2));
        assert_eq!(orders.undo(), Some(march(2)), "it was never sent");
        assert!(orders.request().is_none());
        assert_eq!(orders.undo(), Some(march(1)));
        let request = orders.request().unwrap();
        let Some(Submit(submit)) = request.kind else { panic!("the rest is sent again") };
        assert!(submit.replace_queue);
        assert_eq!((submit.orders.len(), submit.expected_tick), (1, Some(0)));
        orders.answered(request.id, &granted(0, 1));
        assert_eq!(orders.undo(), Some(march(0)));
        let request = orders.request().unwrap();
        assert!(matches!(request.kind, Some(ClearQueue(_))));
        orders.answered(request.id, &Cleared(v1::ClearQueueResponse { cleared: 1 }));
        assert_eq!((shown(&orders), orders.undo()), (Vec::new(), None));
    }

    #[test]
    fn an_order_that_a_tick_has_taken_is_not_sent_again_by_taking_back_another() {
        let mut orders = waiting(3);
        orders.undo();
        let request = orders.request().unwrap();
        let reason = v1::Reason::WrongTick.into();
        let late = Failure(v1::Failure { reason, message: "the game is at tick 1".to_owned() });
        assert_eq!(orders.answered(request.id, &late), None);
        assert!(orders.request().is_none(), "what waits is not known");
        orders.updated(1, 2);
        let Some(Submit(submit)) = orders.request().unwrap().kind else {
            panic!("it is tried again")
        };
        assert_eq!((submit.orders, submit.expected_tick), (vec![march(1).wire()], Some(1)));
    }

    #[test]
    fn what_a_broken_connection_swallowed_is_sent_again_under_its_key() {
        let mut orders = waiting(1);
        orders.add(march(1));
        let before = orders.request().unwrap();
        orders.reopened();
        assert_eq!(orders.request().unwrap(), before);
        assert!(orders.request().is_none());
    }

    #[test]
    fn an_order_that_is_refused_waits_no_more_and_is_told_of() {
        let mut orders = waiting(0);
        orders.add(march(0));
        let request = orders.request().unwrap();
        let failure = v1::Failure { message: "not yours".to_owned(), ..v1::Failure::default() };
        assert_eq!(orders.answered(request.id, &Failure(failure)), Some("not yours".to_owned()));
        assert_eq!(shown(&orders), []);
    }
}
