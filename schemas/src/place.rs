//! How paths and bodies of `/v1` name an aggregate: by the UUID that is its home, or as `restaurant-15`, by the scope of its
//! contract and its number there.

use uuid::Uuid;

use crate::Ref;

/// The scopes whose aggregates have numbers, with their homes.
const HOMES: [(&str, &str); 4] = [
    ("delivery", "delivery.001"),
    ("courier", "courier.001"),
    ("cashback", "cashback.002"),
    ("restaurant", "restaurant.004"),
];

/// The home of a scope whose aggregates have numbers; `None` of any other scope.
#[must_use]
pub fn home_of(scope: &str) -> Option<&'static str> {
    HOMES.iter().find(|(known, _)| *known == scope).map(|(_, home)| *home)
}

/// The scope of such a home; `None` of any other home.
#[must_use]
pub fn scope_of(home: &str) -> Option<&'static str> {
    HOMES.iter().find(|(_, known)| *known == home).map(|(scope, _)| *scope)
}

/// The aggregate that the text names; `None` where it names none. A UUID may have letters of either case.
#[must_use]
pub fn parse(text: &str) -> Option<Ref> {
    if let Some((scope, number)) = text.split_once('-')
        && let Some(home) = home_of(scope)
    {
        let is_number = number.parse::<i64>().is_ok_and(|parsed| parsed > 0 && parsed.to_string() == number);
        return is_number.then(|| Ref { home: home.to_owned(), id: number.to_owned() });
    }
    let uuid = Uuid::parse_str(text).ok().filter(|_| text.len() == uuid::fmt::Hyphenated::LENGTH)?;
    Some(Ref { home: uuid.to_string(), id: String::new() })
}

/// The text that names the aggregate. What has an id in a home that is no contract's, such as a customer of `/v1`, is named by the
/// id alone.
#[must_use]
pub fn text(place: &Ref) -> String {
    let Ref { home, id } = place;
    if id.is_empty() {
        return home.clone();
    }
    match scope_of(home) {
        Some(scope) => format!("{scope}-{id}"),
        None => id.clone(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_named_is_found_by_its_name() {
        for name in
            ["0198c7a0-5b1e-7c3a-9a41-1f0e6d2b7c55", "restaurant-15", "delivery-1", "courier-2", "cashback-3"]
        {
            let place = parse(name).unwrap();
            assert_eq!(text(&place), name);
            assert_eq!(place.id.is_empty(), name.len() == 36, "{name}");
        }
        assert_eq!(parse("restaurant-15").unwrap().home, "restaurant.004");
        assert_eq!(
            parse("0198C7A0-5B1E-7C3A-9A41-1F0E6D2B7C55"),
            parse("0198c7a0-5b1e-7c3a-9a41-1f0e6d2b7c55")
        );
        assert_eq!(text(&Ref { home: "till".into(), id: "4".into() }), "4");
    }

    #[test]
    fn other_texts_name_nothing() {
        for other in [
            "",
            "15",
            "restaurant",
            "restaurant-",
            "restaurant-0",
            "restaurant-015",
            "restaurant--1",
            "restaurant-+1",
            "shop-1",
            "restaurant.004-1",
            "0198c7a05b1e7c3a9a411f0e6d2b7c55",
            "restaurant-9223372036854775808",
        ] {
            assert_eq!(parse(other), None, "{other}");
        }
    }
}
