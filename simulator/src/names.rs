//! Invented names: common parts, combined at random. Whoever finds their own name here shares it with many.

use crate::rng::{Rng, per_mille, weighted};
use event_schemas::person::{NamePart, Names, Sex};
use rand::Rng as _;

/// Surnames with their shares in per mille: Lê Trung Hoa, *Họ và tên người Việt Nam* (2005) for the fourteen commonest
/// (Hoàng and Huỳnh, Vũ and Võ are counted together there and halved here), the rest spread over others.
#[rustfmt::skip]
const SURNAMES: &[(&str, u16)] = &[
    ("Nguyễn", 384), ("Trần", 110), ("Lê", 95), ("Phạm", 71), ("Phan", 45), ("Hoàng", 26), ("Huỳnh", 25),
    ("Đặng", 21), ("Vũ", 20), ("Bùi", 20), ("Võ", 19), ("Đỗ", 14), ("Hồ", 13), ("Ngô", 13), ("Dương", 10),
    ("Lý", 5), ("Đinh", 8), ("Trương", 8), ("Đoàn", 6), ("Lâm", 5), ("Mai", 5), ("Trịnh", 6), ("Đào", 6),
    ("Cao", 5), ("Hà", 6), ("Tạ", 4), ("Lương", 6), ("Phùng", 4), ("Châu", 3), ("Tô", 3), ("Quách", 3),
    ("Thái", 3), ("Vi", 3), ("Nông", 4), ("Triệu", 3), ("La", 2), ("Lò", 4), ("Giàng", 3), ("Sùng", 3), ("Thạch", 3),
];

/// Middle names of men and of women; the weights follow everyday experience, no published list.
#[rustfmt::skip]
const MIDDLES: [&[(&str, u16)]; 2] = [
    &[
        ("Văn", 300), ("Hữu", 60), ("Đức", 60), ("Minh", 60), ("Quang", 50), ("Công", 40), ("Xuân", 40), ("Thanh", 40),
        ("Ngọc", 40), ("Đình", 40), ("Quốc", 40), ("Anh", 30), ("Trọng", 30), ("Hoàng", 30), ("Tiến", 30), ("Duy", 30),
        ("Mạnh", 25), ("Bá", 20), ("Thế", 20), ("Gia", 30),
    ],
    &[
        ("Thị", 500), ("Ngọc", 70), ("Thanh", 50), ("Thu", 50), ("Minh", 40), ("Phương", 40), ("Kim", 40), ("Hồng", 40),
        ("Bích", 30), ("Thùy", 30), ("Mỹ", 30), ("Khánh", 20), ("Bảo", 20), ("Hoài", 15), ("Diệu", 15), ("Tuyết", 15),
        ("Quỳnh", 20),
    ],
];

/// Given names of men and of women.
#[rustfmt::skip]
const GIVENS: [&[&str]; 2] = [
    &[
        "Anh", "Bảo", "Bình", "Chiến", "Cường", "Dũng", "Duy", "Đạt", "Đông", "Đức", "Giang", "Hải", "Hiếu", "Hiệp", "Hoàng",
        "Hòa", "Hùng", "Huy", "Hưng", "Khánh", "Khoa", "Kiên", "Lâm", "Linh", "Long", "Lộc", "Lực", "Mạnh", "Minh", "Nam",
        "Nghĩa", "Nhật", "Phong", "Phú", "Phúc", "Phước", "Quân", "Quang", "Quốc", "Quý", "Sơn", "Tài", "Tâm", "Tân", "Thái",
        "Thành", "Thắng", "Thiện", "Thịnh", "Thuận", "Tiến", "Toàn", "Trí", "Trung", "Trường", "Tuấn", "Tùng", "Việt", "Vinh",
        "Vũ",
    ],
    &[
        "An", "Anh", "Ánh", "Bích", "Châu", "Chi", "Cúc", "Diễm", "Diệp", "Dung", "Duyên", "Đào", "Giang", "Hà", "Hằng", "Hạnh",
        "Hiền", "Hoa", "Hoài", "Hồng", "Huệ", "Hương", "Huyền", "Khánh", "Kim", "Lan", "Lệ", "Liên", "Linh", "Loan", "Ly", "Mai",
        "My", "Nga", "Ngân", "Ngọc", "Nguyệt", "Nhi", "Nhung", "Oanh", "Phương", "Phượng", "Quyên", "Quỳnh", "Tâm", "Thảo",
        "Thắm", "Thanh", "Thơ", "Thu", "Thúy", "Thủy", "Thư", "Trâm", "Trang", "Trinh", "Tuyết", "Uyên", "Vân", "Yến",
    ],
];

/// Share of women's and men's names without a middle part, per mille.
const WITHOUT_MIDDLE_PER_MILLE: u32 = 15;
const NO_MIDDLE: u8 = u8::MAX;

/// A name as numbers in the lists; the sex says which lists.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) struct Name {
    pub surname: u8,
    pub middle: u8,
    pub given: u8,
}

fn list_of(sex: Sex) -> usize {
    usize::from(sex == Sex::Female)
}

impl Name {
    /// A name with a surname of its own.
    pub fn draw(rng: &mut Rng, sex: Sex) -> Self {
        let weights: [u16; SURNAMES.len()] = std::array::from_fn(|index| SURNAMES[index].1);
        let surname = weighted(rng, &weights) as u8;
        Self::with_surname(rng, sex, surname)
    }

    /// A name with this surname.
    pub fn with_surname(rng: &mut Rng, sex: Sex, surname: u8) -> Self {
        let middles = MIDDLES[list_of(sex)];
        let middle = if per_mille(rng, WITHOUT_MIDDLE_PER_MILLE) {
            NO_MIDDLE
        } else {
            let total: u32 = middles.iter().map(|(_, weight)| u32::from(*weight)).sum();
            let mut rest = rng.random_range(0..total);
            let reached = |&(_, weight): &(&str, u16)| {
                let below = rest < u32::from(weight);
                rest = rest.saturating_sub(u32::from(weight));
                below
            };
            middles.iter().position(reached).unwrap_or(0) as u8
        };
        let given = rng.random_range(0..GIVENS[list_of(sex)].len()) as u8;
        Self { surname, middle, given }
    }

    /// Another name of the same person: same surname, another given name.
    pub fn changed(self, rng: &mut Rng, sex: Sex) -> Self {
        let mut other = Self::with_surname(rng, sex, self.surname);
        if other.given == self.given {
            other.given = (other.given + 1) % GIVENS[list_of(sex)].len() as u8;
        }
        other
    }
}

/// The lists as checked text, so that a name costs three copies and no check.
#[derive(Debug)]
pub(crate) struct NameBook {
    surnames: Vec<NamePart>,
    middles: [Vec<NamePart>; 2],
    givens: [Vec<NamePart>; 2],
}

fn part(text: &str) -> NamePart {
    NamePart::new(text).expect("the lists hold short plain names")
}

impl NameBook {
    pub fn new() -> Self {
        Self {
            surnames: SURNAMES.iter().map(|(text, _)| part(text)).collect(),
            middles: MIDDLES.map(|list| list.iter().map(|(text, _)| part(text)).collect()),
            givens: GIVENS.map(|list| list.iter().map(|text| part(text)).collect()),
        }
    }

    /// The name in full.
    pub fn names(&self, name: Name, sex: Sex) -> Names {
        let list = list_of(sex);
        Names {
            surname: Some(self.surnames[usize::from(name.surname)].clone()),
            middle: self.middles[list].get(usize::from(name.middle)).cloned(),
            given: self.givens[list][usize::from(name.given)].clone(),
            other: Vec::new(),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::rng::{Purpose, stream};

    #[test]
    fn nguyen_is_as_common_as_published() {
        let mut rng = stream(1, Purpose::Family, 1);
        let book = NameBook::new();
        let mut nguyen = 0;
        for _ in 0..20_000 {
            let names = book.names(Name::draw(&mut rng, Sex::Female), Sex::Female);
            nguyen += u32::from(names.surname.is_some_and(|surname| surname.as_str() == "Nguyễn"));
        }
        assert!((6_800..=8_200).contains(&nguyen), "{nguyen} of 20,000");
    }

    #[test]
    fn a_changed_name_differs_and_keeps_the_surname() {
        let mut rng = stream(2, Purpose::Family, 1);
        for _ in 0..1_000 {
            let before = Name::draw(&mut rng, Sex::Male);
            let after = before.changed(&mut rng, Sex::Male);
            assert_eq!(before.surname, after.surname);
            assert_ne!(before.given, after.given);
        }
    }
}
