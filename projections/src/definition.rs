//! Populations: who is counted where. Each is the sum of some [`Whereabouts`], so that one question and the next count alike.

use crate::totals::Whereabouts;
use event_schemas::ids::UnitId;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// Who is counted where. Only the living are.
#[derive(Clone, Copy, PartialEq, Eq, Default, Debug, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum Definition {
    /// Everybody with permanent residence here, wherever they stay.
    #[default]
    Permanent,
    /// Everybody who stays here by temporary residence.
    Temporary,
    /// Who stays here, and who has permanent residence here and stays nowhere else: nobody is counted twice.
    Present,
    /// The same, but whoever stays elsewhere for less than half a year is counted at home: nobody is counted twice.
    Usual,
}

/// Where a person is registered at one time.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) struct Registered {
    /// Of permanent residence; [`UnitId::NONE`] for none in Viet Nam.
    pub home: UnitId,
    /// Of temporary residence.
    pub stay: UnitId,
    /// Whether the stay is registered for half a year or more.
    pub usually: bool,
}

impl Definition {
    /// Every definition, in the order of their places in masks.
    pub const ALL: [Self; 4] = [Self::Permanent, Self::Temporary, Self::Present, Self::Usual];

    /// One sentence, English and Vietnamese, to be printed with the figures.
    pub fn meaning(self) -> (&'static str, &'static str) {
        match self {
            Self::Permanent => (
                "Living persons with permanent residence in the unit, wherever they stay.",
                "Người còn sống đăng ký thường trú tại đơn vị, dù đang tạm trú ở đâu.",
            ),
            Self::Temporary => (
                "Living persons with temporary residence in the unit.",
                "Người còn sống đăng ký tạm trú tại đơn vị.",
            ),
            Self::Present => (
                "Living persons with temporary residence in the unit, and those with permanent residence there and temporary \
                 residence nowhere: nobody is counted twice.",
                "Người còn sống tạm trú tại đơn vị và người thường trú tại đơn vị không tạm trú nơi khác: không ai được tính hai lần.",
            ),
            Self::Usual => (
                "Living persons with temporary residence in the unit that is registered for half a year or more or is their only \
                 residence, and those with permanent residence there and no such stay elsewhere: nobody is counted twice.",
                "Người còn sống tạm trú tại đơn vị từ sáu tháng trở lên hoặc không có nơi cư trú nào khác, và người thường trú tại đơn \
                 vị không tạm trú như vậy ở nơi khác: không ai được tính hai lần.",
            ),
        }
    }

    /// What is counted of a unit.
    pub(crate) fn whereabouts(self) -> &'static [Whereabouts] {
        use Whereabouts::{AtHome, AwayBriefly, AwayUsually, StayingBriefly, StayingUsually};
        match self {
            Self::Permanent => &[AtHome, AwayBriefly, AwayUsually],
            Self::Temporary => &[StayingBriefly, StayingUsually],
            Self::Present => &[AtHome, StayingBriefly, StayingUsually],
            Self::Usual => &[AtHome, AwayBriefly, StayingUsually],
        }
    }

    /// The one unit in which a living person is counted; [`UnitId::NONE`] for none.
    pub(crate) fn place(self, registered: Registered) -> UnitId {
        let found = registered.whereabouts().into_iter().flatten();
        let mut counted = found.filter(|(_, whereabouts)| self.whereabouts().contains(whereabouts));
        counted.next().map_or(UnitId::NONE, |(unit, _)| unit)
    }

    /// Place in a mask of definitions.
    pub(crate) fn bit(self) -> u8 {
        1 << self as u8
    }
}

impl Registered {
    /// Where a living person is, once at home and once where he stays.
    pub fn whereabouts(self) -> [Option<(UnitId, Whereabouts)>; 2] {
        let Self { home, stay, usually } = self;
        let usually = usually || home == UnitId::NONE;
        match (stay == UnitId::NONE, usually) {
            (true, _) => [Some((home, Whereabouts::AtHome)), None],
            (false, true) => {
                [Some((home, Whereabouts::AwayUsually)), Some((stay, Whereabouts::StayingUsually))]
            }
            (false, false) => {
                [Some((home, Whereabouts::AwayBriefly)), Some((stay, Whereabouts::StayingBriefly))]
            }
        }
    }
}
