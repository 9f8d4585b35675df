-- Adds the parts up and inserts the sums in the order of their keys.
INSERT INTO seller_totals
SELECT seller_home, seller_id, scope, sum(orders), sum(quantity), sum(sold), sum(approved), sum(refunded)
FROM seller_totals_parts GROUP BY seller_home, seller_id, scope ORDER BY seller_home, seller_id, scope;

INSERT INTO seller_days
SELECT seller_home, seller_id, day, scope, sum(orders), sum(quantity), sum(sold), sum(approved), sum(refunded)
FROM seller_days_parts GROUP BY seller_home, seller_id, day, scope ORDER BY seller_home, seller_id, day, scope;

INSERT INTO product_days
SELECT seller_home, seller_id, day, product_home, product_id, scope, sum(quantity), sum(sold), sum(approved), sum(refunded)
FROM product_days_parts GROUP BY seller_home, seller_id, day, product_home, product_id, scope
ORDER BY seller_home, seller_id, day, product_home, product_id, scope;

INSERT INTO seller_entries
SELECT seller_home, seller_id, order_home, order_id, scope, min(at), sum(sold), sum(approved), sum(refunded)
FROM seller_entries_parts GROUP BY seller_home, seller_id, order_home, order_id, scope
ORDER BY seller_home, seller_id, order_home, order_id, scope;
