-- Parts of sums that a bulk load puts aside. They are gone when its transaction ends.
CREATE TEMPORARY TABLE places_parts (LIKE places) ON COMMIT DROP;
CREATE TEMPORARY TABLE place_hours_parts (LIKE place_hours) ON COMMIT DROP;
CREATE TEMPORARY TABLE place_hour_categories_parts (LIKE place_hour_categories) ON COMMIT DROP;
