-- Parts of sums that a bulk load puts aside. They are gone when its transaction ends.
CREATE TEMPORARY TABLE seller_totals_parts (LIKE seller_totals) ON COMMIT DROP;
CREATE TEMPORARY TABLE seller_days_parts (LIKE seller_days) ON COMMIT DROP;
CREATE TEMPORARY TABLE product_days_parts (LIKE product_days) ON COMMIT DROP;
CREATE TEMPORARY TABLE seller_entries_parts (LIKE seller_entries) ON COMMIT DROP;
