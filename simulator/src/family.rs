//! Families: who lives together at the enrolment, how old they are and how they are kin.

use crate::distributions as figures;
use crate::rng::{Rng, per_mille, weighted};
use event_schemas::household::Relationship;
use event_schemas::person::{MaritalStatus, Sex};
use event_schemas::time::Date;
use rand::Rng as _;

/// One member, before it has a name. Kin are indices in the same family.
#[derive(Clone, Debug)]
pub(crate) struct Member {
    pub sex: Sex,
    pub birth: Date,
    pub relationship: Relationship,
    pub mother: Option<usize>,
    pub father: Option<usize>,
    pub spouse: Option<usize>,
    pub marital: MaritalStatus,
}

/// A couple or a single parent, their children, up to two of the husband's parents and a sibling.
#[derive(Default)]
struct Shape {
    couple: bool,
    children: usize,
    grandparents: usize,
    siblings: usize,
}

/// Of families with grandparents, those that a grandparent heads, per mille.
const GRANDPARENT_HEADS_PER_MILLE: u32 = 450;
/// Of couples, those that the wife heads, per mille. More households of women alone come beside them.
const WIFE_HEADS_PER_MILLE: u32 = 120;
/// Of persons living alone and of lone grandparents, the women, per mille.
const LONE_WOMEN_PER_MILLE: u32 = 560;
const LONE_GRANDMOTHER_PER_MILLE: u32 = 640;
/// Of single parents, the mothers, per mille.
const SINGLE_MOTHERS_PER_MILLE: u32 = 560;

/// A family of `size` members, alive on `today`; the head comes first.
pub(crate) fn family(rng: &mut Rng, size: usize, today: Date) -> Vec<Member> {
    let members = match size {
        1 => vec![alone(rng, today)],
        _ => {
            let shape = shape(rng, size);
            grow(rng, &shape, today)
        }
    };
    debug_assert_eq!(members.len(), size);
    members
}

fn shape(rng: &mut Rng, size: usize) -> Shape {
    let of = |couple, children, grandparents, siblings| Shape { couple, children, grandparents, siblings };
    let one_in_three = per_mille(rng, 330);
    match (size, one_in_three) {
        (2, true) => of(false, 1, 0, 0),
        (2, false) => of(true, 0, 0, 0),
        (3, true) if per_mille(rng, 400) => of(false, 2, 0, 0),
        (3, true) => of(false, 1, 1, 0),
        (3, false) => of(true, 1, 0, 0),
        (4, _) => of(true, 2, 0, 0),
        (5, true) => of(true, 3, 0, 0),
        (5, false) => of(true, 2, 1, 0),
        (6, true) => of(true, 3, 1, 0),
        (6, false) => of(true, 2, 2, 0),
        (7, _) => of(true, 3, 2, 0),
        _ => of(true, size - 5, 2, 1),
    }
}

fn years_ago(rng: &mut Rng, today: Date, age: i16) -> Date {
    let latest = today.plus_years(-age.clamp(0, figures::MAX_AGE));
    latest.plus_days(-rng.random_range(1..365))
}

fn alone(rng: &mut Rng, today: Date) -> Member {
    let groups = [(20, 35, 240_u16), (36, 59, 300), (60, 90, 460)];
    let (from, to, _) = groups[weighted(rng, &groups.map(|(_, _, weight)| weight))];
    let age = rng.random_range(from..to);
    let sex = if per_mille(rng, LONE_WOMEN_PER_MILLE) { Sex::Female } else { Sex::Male };
    let marital = match age {
        ..36 => MaritalStatus::Unmarried,
        36..60 => MaritalStatus::Divorced,
        _ => MaritalStatus::Widowed,
    };
    Member {
        sex,
        birth: years_ago(rng, today, age),
        relationship: Relationship::Head,
        mother: None,
        father: None,
        spouse: None,
        marital,
    }
}

/// Ages of the middle generation: first age, first age beyond, weight. Fitted by hand so that the whole population comes
/// near the census's 24.3 % under 15, 68.0 % from 15 to 64 and 7.7 % from 65.
fn parents_age(rng: &mut Rng, shape: &Shape) -> i16 {
    let groups: &[(i16, i16, u16)] = match (shape.children, shape.grandparents) {
        (0, 0) => &[(20, 32, 300), (45, 58, 300), (58, 66, 300), (66, 82, 100)],
        (_, 0) => &[(22, 30, 120), (30, 40, 330), (40, 50, 330), (50, 58, 220)],
        _ => &[(24, 32, 300), (32, 40, 500), (40, 46, 200)],
    };
    let weights: Vec<u16> = groups.iter().map(|group| group.2).collect();
    let (from, to, _) = groups[weighted(rng, &weights)];
    rng.random_range(from..to)
}

fn grow(rng: &mut Rng, shape: &Shape, today: Date) -> Vec<Member> {
    let mut members = Vec::with_capacity(8);
    let first_birth = rng.random_range(figures::MARRIAGE_AGE_WOMEN) + 1;
    let spacing = 2 + rng.random_range(0..4);
    // A mother must have been old enough for her youngest child as well.
    let youngest_possible = first_birth + (shape.children.max(1) as i16 - 1) * spacing + 1;
    let age = parents_age(rng, shape).max(youngest_possible);
    let lone_father = !shape.couple && !per_mille(rng, SINGLE_MOTHERS_PER_MILLE);
    if !lone_father {
        let birth = years_ago(rng, today, age);
        members.push(adult(Sex::Female, birth, lone_status(shape.couple)));
    }
    if shape.couple || lone_father {
        let older = rng.random_range(figures::HUSBAND_OLDER);
        let birth = years_ago(rng, today, age + older);
        members.push(adult(Sex::Male, birth, lone_status(shape.couple)));
    }
    let mother = (!lone_father).then_some(0);
    let father = members.iter().position(|member| member.sex == Sex::Male);
    if shape.couple {
        members[0].spouse = Some(1);
        members[1].spouse = Some(0);
    }
    for number in 0..shape.children as i16 {
        let child_age = (age - first_birth - number * spacing).max(0);
        let birth = years_ago(rng, today, child_age.min(29)).plus_days(i32::from(number));
        members.push(Member {
            sex: figures::sex_at_birth(rng, birth.year()),
            birth,
            relationship: Relationship::Child,
            mother,
            father,
            spouse: None,
            marital: MaritalStatus::Unmarried,
        });
    }
    add_older(rng, shape, today, &mut members);
    name_head(rng, shape, &mut members);
    members
}

fn lone_status(couple: bool) -> MaritalStatus {
    if couple { MaritalStatus::Married } else { MaritalStatus::Divorced }
}

fn adult(sex: Sex, birth: Date, marital: MaritalStatus) -> Member {
    Member { sex, birth, relationship: Relationship::Head, mother: None, father: None, spouse: None, marital }
}

/// The husband's (or single parent's) own parents and a sibling of his.
fn add_older(rng: &mut Rng, shape: &Shape, today: Date, members: &mut Vec<Member>) {
    if shape.grandparents == 0 {
        return;
    }
    let child = members
        .iter()
        .position(|member| member.sex == Sex::Male && member.relationship == Relationship::Head)
        .unwrap_or(0);
    let child_birth = members[child].birth;
    let grandmother_at_birth = rng.random_range(20..30);
    let child_age = today.full_years_since(child_birth);
    let age = child_age + grandmother_at_birth + 1;
    let mut parents = [None, None];
    let both = shape.grandparents == 2;
    let woman = both || per_mille(rng, LONE_GRANDMOTHER_PER_MILLE);
    if woman {
        parents[0] = Some(members.len());
        let birth = years_ago(rng, today, age);
        members.push(adult(Sex::Female, birth, widowed(both)));
    }
    if both || !woman {
        parents[1] = Some(members.len());
        let older = rng.random_range(0..6);
        let birth = years_ago(rng, today, age + older);
        members.push(adult(Sex::Male, birth, widowed(both)));
    }
    if let [Some(woman), Some(man)] = parents {
        members[woman].spouse = Some(man);
        members[man].spouse = Some(woman);
    }
    for parent in parents.into_iter().flatten() {
        members[parent].relationship = Relationship::Parent;
    }
    (members[child].mother, members[child].father) = (parents[0], parents[1]);
    for _ in 0..shape.siblings {
        let birth = child_birth.plus_days(rng.random_range(400..2_000));
        members.push(Member {
            relationship: Relationship::Sibling,
            mother: parents[0],
            father: parents[1],
            ..adult(figures::sex_at_birth(rng, birth.year()), birth, MaritalStatus::Unmarried)
        });
    }
}

fn widowed(both: bool) -> MaritalStatus {
    if both { MaritalStatus::Married } else { MaritalStatus::Widowed }
}

/// Chooses the head, states how the others relate to it, and puts it first.
fn name_head(rng: &mut Rng, shape: &Shape, members: &mut [Member]) {
    let grandparent = members.iter().rposition(|member| member.relationship == Relationship::Parent);
    let by_grandparent = per_mille(rng, GRANDPARENT_HEADS_PER_MILLE);
    let head = match grandparent {
        Some(elder) if by_grandparent => elder,
        _ if shape.couple && !per_mille(rng, WIFE_HEADS_PER_MILLE) => 1,
        _ => 0,
    };
    for index in 0..members.len() {
        members[index].relationship = relate(members, head, index);
    }
    swap_first(members, head);
}

fn swap_first(members: &mut [Member], head: usize) {
    members.swap(0, head);
    let moved = |index: usize| match index {
        0 => head,
        index if index == head => 0,
        index => index,
    };
    for member in members {
        for kin in [&mut member.mother, &mut member.father, &mut member.spouse] {
            *kin = kin.map(moved);
        }
    }
}

fn relate(members: &[Member], head: usize, member: usize) -> Relationship {
    use Relationship::*;
    let parents = |of: usize| [members[of].mother, members[of].father];
    let is_parent = |elder: usize, of: usize| parents(of).contains(&Some(elder));
    let spouse_of = |of: usize| members[of].spouse;
    if member == head {
        Head
    } else if spouse_of(member) == Some(head) {
        Spouse
    } else if is_parent(head, member) || spouse_of(head).is_some_and(|spouse| is_parent(spouse, member)) {
        Child
    } else if is_parent(member, head) {
        Parent
    } else if spouse_of(head).is_some_and(|spouse| is_parent(member, spouse)) {
        ParentInLaw
    } else if spouse_of(member).is_some_and(|spouse| is_parent(head, spouse)) {
        ChildInLaw
    } else if parents(member).into_iter().flatten().any(|parent| is_parent(head, parent)) {
        Grandchild
    } else if parents(member).into_iter().flatten().any(|parent| is_parent(parent, head)) {
        Sibling
    } else {
        OtherKin
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::rng::{Purpose, stream};

    #[test]
    fn families_are_possible() {
        let today = Date::new(2021, 1, 1).unwrap();
        for number in 0..5_000 {
            let mut rng = stream(1, Purpose::Family, number);
            let size = figures::household_size(&mut rng);
            let members = family(&mut rng, size, today);
            assert_eq!(members.len(), size);
            assert_eq!(members[0].relationship, Relationship::Head);
            let heads = members.iter().filter(|member| member.relationship == Relationship::Head).count();
            assert_eq!(heads, 1);
            assert!(today.full_years_since(members[0].birth) >= 18, "the head is of age");
            for (index, member) in members.iter().enumerate() {
                assert!(member.birth < today);
                for parent in [member.mother, member.father].into_iter().flatten() {
                    let age = member.birth.full_years_since(members[parent].birth);
                    assert!((16..=75).contains(&age), "a parent of {age} at the birth: {members:?}");
                }
                if let Some(spouse) = member.spouse {
                    assert_eq!(members[spouse].spouse, Some(index));
                    assert_ne!(members[spouse].sex, member.sex);
                }
            }
        }
    }
}
