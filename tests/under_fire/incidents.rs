//! What happens to the fleet, and how it ends.
//!
//! Each incident is over when it has been mended, and then all parts have to be in step again without
//! having been told. Where a reload is the only way, it is counted as explained; every other one is not.

use std::fmt;
use std::time::Duration;

use harness::{Cut, Place};
use tokio::sync::MutexGuard;

use crate::callers::Callers;
use crate::fleet::{Fleet, PLANES};
use crate::writer::{Acknowledged, Writer};

/// What can happen.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Incident {
    /// kill -9 of a member of etcd, which comes back.
    MemberKilled(Which),
    /// kill -9 of a control plane, which comes back.
    PlaneKilled(usize),
    /// Of the link between the leader and another member.
    MembersApart(Cut),
    /// Of the links between the leader and all other members.
    LeaderApart(Cut),
    /// Of the link between a control plane and one member, the leader.
    PlaneWithoutLeader(usize, Cut),
    /// Of the links between a control plane and all members.
    PlaneWithoutStore(usize, Cut),
    /// Of the links between a gateway and all control planes.
    GatewayApart(usize, Cut),
    /// Of the link between a gateway and one control plane, until it is in step through the other.
    GatewayWithoutPlane(usize, usize, Cut),
    /// The process of the leader stops, and goes on.
    LeaderFrozen,
    /// The history is compacted.
    Compacted,
    /// The history is compacted while a control plane does not see it.
    CompactedUnseen(usize),
    /// The members give space back.
    Defragmented,
    /// What a member sends comes late.
    MemberSlow,
    /// What a control plane sends comes late.
    PlaneSlow(usize),
    /// All members are put back from a copy; what was written since is gone.
    Restored,
}

/// A member.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Which {
    Leader,
    Follower,
}

/// Everything, in an order in which each shows the next one another state.
pub(crate) const ALL: [Incident; 27] = [
    Incident::MemberKilled(Which::Follower),
    Incident::MemberKilled(Which::Leader),
    Incident::PlaneKilled(0),
    Incident::GatewayApart(2, Cut::Refused),
    Incident::PlaneKilled(1),
    Incident::MembersApart(Cut::Refused),
    Incident::MembersApart(Cut::Silent),
    Incident::Compacted,
    Incident::LeaderApart(Cut::Silent),
    Incident::LeaderFrozen,
    Incident::LeaderApart(Cut::Refused),
    Incident::PlaneWithoutLeader(0, Cut::Refused),
    Incident::PlaneWithoutLeader(1, Cut::Silent),
    Incident::Defragmented,
    Incident::PlaneWithoutStore(1, Cut::Refused),
    Incident::PlaneWithoutStore(0, Cut::Silent),
    Incident::CompactedUnseen(0),
    Incident::MemberSlow,
    Incident::PlaneSlow(1),
    Incident::GatewayApart(1, Cut::Silent),
    Incident::GatewayWithoutPlane(0, 0, Cut::Refused),
    Incident::GatewayWithoutPlane(0, 1, Cut::Silent),
    Incident::GatewayWithoutPlane(0, 0, Cut::Silent),
    Incident::Restored,
    Incident::PlaneKilled(0),
    Incident::MemberKilled(Which::Leader),
    Incident::Compacted,
];

/// How long what is broken stays so.
const SHORT: Duration = Duration::from_secs(2);
/// Longer than it takes to notice a silent peer.
const LONG: Duration = Duration::from_secs(6);

impl Incident {
    /// Lets it happen and mends it.
    pub(crate) async fn happens(self, fleet: &mut Fleet, writer: &Writer, callers: &Callers) {
        match self {
            Self::MemberKilled(which) => {
                let number = member(fleet, which).await;
                fleet.cluster.kill(number);
                writer.goes_on(3).await;
                fleet.cluster.launch(number);
            }
            Self::PlaneKilled(number) => {
                fleet.planes[number].kill().await;
                writer.goes_on(3).await;
                fleet.loads_explained += 1;
                fleet.planes[number].launch();
                fleet.planes[number].ready().await;
            }
            Self::GatewayWithoutPlane(gateway, plane, how) => {
                let near = fleet.gateways[gateway].place.clone();
                let cut = apart(&near, vec![fleet.planes[plane].place.clone()], how);
                let done = in_step(fleet, writer, &format!("during {self}")).await;
                drop(done);
                mend(&cut);
            }
            Self::LeaderFrozen => {
                let leader = fleet.cluster.answers().await;
                fleet.cluster.freeze(leader);
                pause(LONG).await;
                writer.goes_on(3).await;
                fleet.cluster.thaw(leader);
            }
            Self::Compacted => fleet.cluster.compact(),
            Self::CompactedUnseen(plane) => {
                let near = fleet.planes[plane].place.clone();
                let cut = apart(&near, fleet.cluster.places(), Cut::Refused);
                writer.goes_on(5).await;
                fleet.cluster.compact();
                mend(&cut);
                fleet.loads_explained += 1;
            }
            Self::Defragmented => fleet.cluster.defragment(),
            Self::Restored => restored(fleet, writer, callers).await,
            Self::MembersApart(_)
            | Self::LeaderApart(_)
            | Self::PlaneWithoutLeader(..)
            | Self::PlaneWithoutStore(..)
            | Self::GatewayApart(..) => self.cut(fleet, writer).await,
            Self::MemberSlow => {
                let leader = fleet.cluster.answers().await;
                slow(&fleet.cluster.place(leader).clone(), writer).await;
            }
            Self::PlaneSlow(plane) => slow(&fleet.planes[plane].place.clone(), writer).await,
        }
    }

    async fn cut(self, fleet: &Fleet, writer: &Writer) {
        let leader = fleet.cluster.answers().await;
        let others = (0..fleet.cluster.len()).filter(|number| *number != leader);
        let others: Vec<Place> = others.map(|number| fleet.cluster.place(number).clone()).collect();
        let leader = fleet.cluster.place(leader).clone();
        let plane = |number: usize| fleet.planes[number].place.clone();
        let (near, far, how) = match self {
            Self::MembersApart(how) => (leader, others.into_iter().take(1).collect(), how),
            Self::LeaderApart(how) => (leader, others, how),
            Self::PlaneWithoutLeader(number, how) => (plane(number), vec![leader], how),
            Self::PlaneWithoutStore(number, how) => (plane(number), fleet.cluster.places(), how),
            Self::GatewayApart(number, how) => {
                let planes = fleet.planes.iter().map(|plane| plane.place.clone()).collect();
                (fleet.gateways[number].place.clone(), planes, how)
            }
            _ => return,
        };
        let cut = apart(&near, far, how);
        pause(if how == Cut::Silent { LONG } else { SHORT }).await;
        writer.goes_on(3).await;
        mend(&cut);
    }
}

impl fmt::Display for Incident {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{self:?}")
    }
}

/// Waits until everybody is where the writer is, who waits meanwhile and goes on when what comes back is
/// dropped.
pub(crate) async fn in_step<'w>(
    fleet: &Fleet,
    writer: &'w Writer,
    when: &str,
) -> MutexGuard<'w, Acknowledged> {
    writer.goes_on(2).await;
    let done = writer.done.lock().await;
    fleet.in_step(done.revision, when).await;
    done
}

/// Members are put back to where they were, and changes since then are forgotten by everybody.
async fn restored(fleet: &mut Fleet, writer: &Writer, callers: &Callers) {
    let (saved, before) = {
        let done = writer.done.lock().await;
        (fleet.cluster.save(), done.clone())
    };
    writer.goes_on(5).await;
    let mut done = writer.done.lock().await;
    callers.may_go_back(true);
    fleet.cluster.restore(&saved);
    fleet.cluster.answers().await;
    let Acknowledged { last, repeated, longest, .. } = *done;
    *done = Acknowledged { last, repeated, longest, ..before };
    fleet.loads_explained += PLANES as u64;
    drop(done);
    let _done = in_step(fleet, writer, "after the store went back").await;
    callers.may_go_back(false);
}

async fn member(fleet: &Fleet, which: Which) -> usize {
    let leader = fleet.cluster.answers().await;
    match which {
        Which::Leader => leader,
        Which::Follower => (leader + 1) % fleet.cluster.len(),
    }
}

async fn slow(place: &Place, writer: &Writer) {
    match place.slow() {
        Some(how) => {
            println!("  what {} sends comes {how}", place.address());
            pause(SHORT).await;
            writer.goes_on(3).await;
            place.fast();
        }
        None => println!("  left out: this kernel makes nothing slow"),
    }
}

fn apart(near: &Place, far: Vec<Place>, how: Cut) -> Vec<(Place, Place)> {
    for other in &far {
        near.cut(other, how);
    }
    far.into_iter().map(|other| (near.clone(), other)).collect()
}

fn mend(cut: &[(Place, Place)]) {
    for (near, far) in cut {
        near.mend(far);
    }
}

/// The time for which something is broken is what is tried here, and no wait for anything.
async fn pause(span: Duration) {
    tokio::time::sleep(span).await;
}
