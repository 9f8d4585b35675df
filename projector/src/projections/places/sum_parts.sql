-- Adds the parts up and inserts the sums in the order of their keys.
INSERT INTO places
SELECT place_id, sum(purchases), sum(total_amount), sum(tax_amount), sum(tips_amount)
FROM places_parts GROUP BY place_id ORDER BY place_id;

INSERT INTO place_hours
SELECT place_id, hour, sum(purchases), sum(total_amount), sum(tax_amount), sum(tips_amount)
FROM place_hours_parts GROUP BY place_id, hour ORDER BY place_id, hour;

INSERT INTO place_hour_categories
SELECT place_id, hour, category, sum(quantity), sum(amount)
FROM place_hour_categories_parts GROUP BY place_id, hour, category ORDER BY place_id, hour, category;
