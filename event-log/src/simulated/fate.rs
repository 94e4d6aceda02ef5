//! What becomes of a submitted group: drawn once, when it is submitted.

use crate::seeded::Seeded;

/// How often each fault comes, in a thousand groups (or reads).
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct FaultPlan {
    /// Never written; the outcome is unknown.
    pub lost_group: u32,
    /// Written long after the outcome was reported as unknown, behind entries of others.
    pub late_group: u32,
    /// Written in time, but the outcome is unknown.
    pub lost_acknowledgement: u32,
    /// Written in time; the outcome comes much later.
    pub late_acknowledgement: u32,
    /// Written twice.
    pub duplicated_group: u32,
    /// Written behind groups that the node submitted later.
    pub reordered_group: u32,
    /// An entry from the middle is missing, or a whole group between others; the outcome says durable.
    pub dropped_middle: u32,
    /// Only the first entries are written; the outcome is unknown.
    pub cut_group: u32,
    /// Written in two parts, between which others may write.
    pub split_group: u32,
    /// A reader that gets nothing for a while, though there is something.
    pub stalled_read: u32,
    /// Longest ordinary way of a group, in steps.
    pub max_delay_steps: u64,
}

impl FaultPlan {
    /// No fault; every group arrives in the next step.
    pub fn none() -> Self {
        Self {
            lost_group: 0,
            late_group: 0,
            lost_acknowledgement: 0,
            late_acknowledgement: 0,
            duplicated_group: 0,
            reordered_group: 0,
            dropped_middle: 0,
            cut_group: 0,
            split_group: 0,
            stalled_read: 0,
            max_delay_steps: 0,
        }
    }

    /// Every fault often.
    pub fn storm() -> Self {
        Self {
            lost_group: 30,
            late_group: 40,
            lost_acknowledgement: 40,
            late_acknowledgement: 40,
            duplicated_group: 50,
            reordered_group: 50,
            dropped_middle: 40,
            cut_group: 30,
            split_group: 60,
            stalled_read: 50,
            max_delay_steps: 3,
        }
    }
}

/// Longest time that a late group, copy or acknowledgement takes beyond the ordinary, in steps.
const MAX_LATENESS_STEPS: u64 = 40;

/// Steps after which a node that heard nothing reports an unknown outcome.
const TIMEOUT_STEPS: u64 = 8;

#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) enum Fault {
    LostGroup,
    LateGroup,
    LostAcknowledgement,
    LateAcknowledgement,
    DuplicatedGroup,
    ReorderedGroup,
    DroppedMiddle,
    CutGroup,
    SplitGroup,
}

impl Fault {
    pub(super) fn name(self) -> &'static str {
        match self {
            Self::LostGroup => "lost_group",
            Self::LateGroup => "late_group",
            Self::LostAcknowledgement => "lost_acknowledgement",
            Self::LateAcknowledgement => "late_acknowledgement",
            Self::DuplicatedGroup => "duplicated_group",
            Self::ReorderedGroup => "reordered_group",
            Self::DroppedMiddle => "dropped_middle",
            Self::CutGroup => "cut_group",
            Self::SplitGroup => "split_group",
        }
    }

    /// At most one fault a group.
    pub(super) fn draw(plan: &FaultPlan, random: &mut Seeded) -> Option<Self> {
        let odds = [
            (plan.lost_group, Self::LostGroup),
            (plan.late_group, Self::LateGroup),
            (plan.lost_acknowledgement, Self::LostAcknowledgement),
            (plan.late_acknowledgement, Self::LateAcknowledgement),
            (plan.duplicated_group, Self::DuplicatedGroup),
            (plan.reordered_group, Self::ReorderedGroup),
            (plan.dropped_middle, Self::DroppedMiddle),
            (plan.cut_group, Self::CutGroup),
            (plan.split_group, Self::SplitGroup),
        ];
        odds.into_iter().find_map(|(per_mille, fault)| random.chance(per_mille).then_some(fault))
    }
}

/// What arrives when, and what the node is told when.
pub(super) struct Fate {
    /// Steps from now, and the entries that arrive then.
    pub arrivals: Vec<(u64, Vec<Vec<u8>>)>,
    /// True: reported as durable; false: as unknown.
    pub is_durable: bool,
    /// Steps from now until the node is told.
    pub told_after: u64,
}

/// Works out a fault's effect. `delay` is the ordinary way of this group, in steps.
pub(super) fn fate(fault: Option<Fault>, entries: Vec<Vec<u8>>, delay: u64, random: &mut Seeded) -> Fate {
    let mut late = || 1 + random.below(MAX_LATENESS_STEPS);
    let in_time = delay + 1;
    let unknown_after = in_time.max(TIMEOUT_STEPS);
    match fault {
        None => Fate { arrivals: vec![(delay, entries)], is_durable: true, told_after: in_time },
        Some(Fault::LostGroup) => Fate { arrivals: vec![], is_durable: false, told_after: unknown_after },
        Some(Fault::LateGroup) => {
            Fate { arrivals: vec![(delay + late(), entries)], is_durable: false, told_after: unknown_after }
        }
        Some(Fault::LostAcknowledgement) => {
            Fate { arrivals: vec![(delay, entries)], is_durable: false, told_after: unknown_after }
        }
        Some(Fault::LateAcknowledgement) => {
            Fate { arrivals: vec![(delay, entries)], is_durable: true, told_after: in_time + late() }
        }
        Some(Fault::DuplicatedGroup) => {
            let copy = (delay + late(), entries.clone());
            Fate { arrivals: vec![(delay, entries), copy], is_durable: true, told_after: in_time }
        }
        Some(Fault::ReorderedGroup) => {
            let delay = delay + 1 + late() % 6;
            Fate { arrivals: vec![(delay, entries)], is_durable: true, told_after: delay + 1 }
        }
        Some(Fault::DroppedMiddle) => {
            let mut kept = entries;
            match kept.len() {
                0..=2 => kept.clear(),
                len => {
                    kept.remove(1 + random.below(len as u64 - 2) as usize);
                }
            }
            Fate { arrivals: vec![(delay, kept)], is_durable: true, told_after: in_time }
        }
        Some(Fault::CutGroup) => {
            let mut kept = entries;
            kept.truncate(random.below(kept.len() as u64) as usize);
            Fate { arrivals: vec![(delay, kept)], is_durable: false, told_after: unknown_after }
        }
        Some(Fault::SplitGroup) => {
            let mut first = entries;
            let second = first.split_off(random.below(first.len() as u64 + 1) as usize);
            let gap = 1 + random.below(3);
            let arrivals = vec![(delay, first), (delay + gap, second)];
            Fate { arrivals, is_durable: true, told_after: delay + gap + 1 }
        }
    }
}
