// SPDX-License-Identifier: Apache-2.0
package dev.offmeter.integration.jdbc;

import dev.offmeter.guard.BudgetStore.Balance;
import dev.offmeter.guard.BudgetStore.Claim;
import java.math.BigDecimal;
import java.sql.Connection;
import java.sql.PreparedStatement;
import java.sql.ResultSet;
import java.sql.SQLException;
import java.sql.Savepoint;
import java.time.Instant;
import java.util.ArrayList;
import java.util.Collection;
import java.util.Comparator;
import java.util.List;
import java.util.TreeMap;
import org.jspecify.annotations.Nullable;

/**
 * The rows of a budget store within one transaction.
 *
 * <p>The row of a count is the lock of everything that belongs to it: whoever changes the count,
 * its reservations or its slices holds that row until the end of the transaction. Rows are locked
 * in the order of their ids, so that no two wait for each other.
 */
final class BudgetRows {
  /** A rolling window forgets in as many parts. */
  private static final int SLICES = 60;

  private static final Instant LAST = Instant.ofEpochMilli(Long.MAX_VALUE);

  private static final String DUPLICATE = "23505";

  private final Connection connection;
  private final BudgetTables tables;

  BudgetRows(Connection connection, BudgetTables tables) {
    this.connection = connection;
    this.tables = tables;
  }

  /** A count at a moment: what its row holds, and its live reservations and slices together. */
  record Count(long spent, long windowEnd, long reserved, long inSlices) {
    private static final Count NONE = new Count(0, Long.MIN_VALUE, 0, 0);

    Balance balance(Claim claim, Instant now) {
      if (!claim.rolling().isZero()) {
        return new Balance(inSlices, reserved);
      }
      return new Balance(hasEnded(claim, now) ? 0 : spent, reserved);
    }

    /**
     * Returns whether a request puts the end of the count off, also one that is refused: a
     * session's. A rolling window forgets by its slices.
     */
    boolean mustBeKeptFor(Claim claim) {
      return claim.rolling().isZero() && millis(claim.windowEnd()) > windowEnd;
    }

    /** Returns whether nobody has kept the count until now, and the claim begins it anew. */
    private boolean hasEnded(Claim claim, Instant now) {
      long moment = now.toEpochMilli();
      return moment > windowEnd && moment < millis(claim.windowEnd()) && reserved == 0;
    }
  }

  /** Locks the counts of claims, and makes those that are not there. */
  void lock(Collection<Claim> claims) throws SQLException {
    TreeMap<String, Claim> sorted = new TreeMap<>();
    claims.forEach(claim -> sorted.put(BudgetTables.id(claim.key()), claim));
    for (Claim claim : sorted.values()) {
      String id = BudgetTables.id(claim.key());
      if (!exists(tables.lock, id)) {
        insertAndLock(id, claim);
      }
    }
  }

  private void insertAndLock(String id, Claim claim) throws SQLException {
    // PostgreSQL goes on after a failed statement only from a savepoint.
    Savepoint before = connection.setSavepoint();
    try {
      update(tables.insertCount, id, millis(claim.windowEnd()));
    } catch (SQLException e) {
      if (!DUPLICATE.equals(e.getSQLState())) {
        throw e;
      }
      connection.rollback(before);
      if (!exists(tables.lock, id)) {
        throw e;
      }
    }
  }

  /** Returns a count as it stands; zeros if there is none. */
  Count count(Claim claim, Instant now) throws SQLException {
    long moment = now.toEpochMilli();
    try (PreparedStatement statement =
            prepare(
                tables.count,
                moment,
                moment - claim.rolling().toMillis(),
                BudgetTables.id(claim.key()));
        ResultSet row = statement.executeQuery()) {
      return row.next()
          ? new Count(
              row.getLong(1), row.getLong(2), sum(row.getBigDecimal(3)), sum(row.getBigDecimal(4)))
          : Count.NONE;
    }
  }

  /** Keeps a count until the end of the claim's window, and begins it anew if it had ended. */
  void keep(Claim claim, Count count, Instant now) throws SQLException {
    long end = millis(claim.windowEnd());
    if (end > count.windowEnd()) {
      long spent = count.hasEnded(claim, now) ? 0 : count.spent();
      update(tables.keepCount, spent, end, BudgetTables.id(claim.key()));
    }
  }

  void hold(String reservation, Claim claim, Instant leaseEnd) throws SQLException {
    insert(reservation, claim, claim.amount(), leaseEnd, false);
  }

  private void insert(
      String reservation, Claim claim, long amount, Instant leaseEnd, boolean settled)
      throws SQLException {
    String id = BudgetTables.id(claim.key());
    update(tables.hold, id, BudgetTables.id(reservation), amount, millis(leaseEnd), settled);
  }

  /** Puts the end of a lease off, or reserves again; does neither if all is settled already. */
  void renew(String reservation, Claim claim, Instant leaseEnd) throws SQLException {
    String id = BudgetTables.id(claim.key());
    String name = BudgetTables.id(reservation);
    boolean found = update(tables.extend, millis(leaseEnd), id, name) > 0;
    if (!found && !exists(tables.findReservation, id, name)) {
      hold(reservation, claim, leaseEnd);
    }
  }

  /**
   * Counts what was used in place of what is reserved. The row of the reservation remains for a
   * while, so that a settlement that is repeated counts once.
   */
  void settle(String reservation, Claim claim, long used, Instant now) throws SQLException {
    String id = BudgetTables.id(claim.key());
    String name = BudgetTables.id(reservation);
    if (update(tables.markSettled, used, now.toEpochMilli(), id, name) == 0) {
      if (exists(tables.findReservation, id, name)) {
        return;
      }
      insert(reservation, claim, used, now, true);
    }
    if (claim.rolling().isZero()) {
      update(tables.spend, Long.MAX_VALUE - used, used, id);
    } else {
      spendInSlice(id, claim, used, now);
    }
  }

  /** A slice is named by its end, so that windows of another length forget none of it early. */
  private void spendInSlice(String id, Claim claim, long used, Instant now) throws SQLException {
    long moment = now.toEpochMilli();
    long length = Math.max(1, claim.rolling().toMillis() / SLICES);
    long end = (Math.floorDiv(moment, length) + 1) * length;
    if (update(tables.spendInSlice, Long.MAX_VALUE - used, used, id, end) == 0) {
      update(tables.forgetSlices, id, moment - claim.rolling().toMillis());
      update(tables.insertSlice, used, id, end);
    }
  }

  /**
   * Deletes some of what is old.
   *
   * @param reservations the moment before which a lease has ended or a settlement was made
   * @param counts the moment before which a window has ended
   * @return whether there may be more of it
   */
  boolean deleteOld(Instant reservations, Instant counts) throws SQLException {
    long leaseEnd = reservations.toEpochMilli();
    List<Key> old = keys(tables.oldReservations, leaseEnd);
    List<Object[]> deleted = new ArrayList<>();
    old.forEach(key -> deleted.add(new Object[] {key.budget(), key.reservation(), leaseEnd}));
    updateAll(tables.deleteReservation, deleted);
    int ended = deleteOldCounts(counts.toEpochMilli());
    return old.size() == BudgetTables.BATCH || ended == BudgetTables.BATCH;
  }

  private record Key(String budget, String reservation) {}

  /** Sorted, so that two processes that delete the same rows do not wait for each other. */
  private List<Key> keys(String query, long before) throws SQLException {
    List<Key> keys = new ArrayList<>();
    try (PreparedStatement statement = prepare(query, before);
        ResultSet row = statement.executeQuery()) {
      while (row.next()) {
        keys.add(new Key(row.getString(1), row.getString(2)));
      }
    }
    keys.sort(Comparator.comparing(Key::budget).thenComparing(Key::reservation));
    return keys;
  }

  private int deleteOldCounts(long windowEnd) throws SQLException {
    List<Object[]> old = new ArrayList<>();
    keys(tables.oldCounts, windowEnd)
        .forEach(key -> old.add(new Object[] {key.budget(), windowEnd}));
    int[] deleted = updateAll(tables.deleteCount, old);
    List<Object[]> gone = new ArrayList<>();
    for (int i = 0; i < deleted.length; i++) {
      // Not of one that was begun anew meanwhile.
      if (deleted[i] > 0) {
        gone.add(new Object[] {old.get(i)[0], Long.MAX_VALUE});
      }
    }
    updateAll(tables.forgetSlices, gone);
    return old.size();
  }

  private int[] updateAll(String sql, List<Object[]> all) throws SQLException {
    if (all.isEmpty()) {
      return new int[0];
    }
    try (PreparedStatement statement = prepare(sql)) {
      for (Object[] parameters : all) {
        set(statement, parameters);
        statement.addBatch();
      }
      return statement.executeBatch();
    }
  }

  private static long millis(Instant moment) {
    return moment.isBefore(LAST) ? moment.toEpochMilli() : Long.MAX_VALUE;
  }

  private static long sum(@Nullable BigDecimal sum) {
    return sum == null ? 0 : sum.min(BigDecimal.valueOf(Long.MAX_VALUE)).longValueExact();
  }

  /** A sum that overflowed would leave room for anything. */
  static long sum(long one, long other) {
    return one > Long.MAX_VALUE - other ? Long.MAX_VALUE : one + other;
  }

  private boolean exists(String query, Object... parameters) throws SQLException {
    try (PreparedStatement statement = prepare(query, parameters);
        ResultSet row = statement.executeQuery()) {
      return row.next();
    }
  }

  private int update(String sql, Object... parameters) throws SQLException {
    try (PreparedStatement statement = prepare(sql, parameters)) {
      return statement.executeUpdate();
    }
  }

  // The caller closes it.
  private PreparedStatement prepare(String sql, Object... parameters) throws SQLException {
    PreparedStatement statement = connection.prepareStatement(sql);
    try {
      Transactions.limit(statement);
      set(statement, parameters);
      return statement;
    } catch (SQLException e) {
      statement.close();
      throw e;
    }
  }

  private static void set(PreparedStatement statement, Object[] parameters) throws SQLException {
    for (int i = 0; i < parameters.length; i++) {
      statement.setObject(i + 1, parameters[i]);
    }
  }
}
