// SPDX-License-Identifier: Apache-2.0
package dev.offmeter.internal.wire;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;

import dev.offmeter.internal.wire.HeapBudget.BudgetExhaustedException;
import dev.offmeter.internal.wire.HeapBudget.TooLargeException;
import java.util.ArrayList;
import java.util.List;
import java.util.concurrent.atomic.AtomicLong;
import org.junit.jupiter.api.Test;

/** Many bodies together may fill only a part of the heap. */
class HeapBudgetTest {
  private static final int ALL = 16 << 20;
  private static final int READ = 8192;

  private final AtomicLong left = new AtomicLong(ALL);

  /** Reads on and on, and tells how much of it. */
  private static long filled(HeapBudget heapBudget) {
    long bytes = 0;
    try {
      while (true) {
        heapBudget.grow(READ);
        bytes += READ;
      }
    } catch (TooLargeException e) {
      return bytes;
    }
  }

  @Test
  void oneBodyMayTakeHalf() {
    assertThat(filled(new HeapBudget(left, ALL))).isBetween((long) ALL / 2, ALL / 2 + 400_000L);
  }

  @Test
  void manyLeaveRoomForOneMore() throws TooLargeException {
    List<HeapBudget> endless = new ArrayList<>();
    for (int i = 0; i < 8; i++) {
      HeapBudget heapBudget = new HeapBudget(left, ALL);
      filled(heapBudget);
      endless.add(heapBudget);
    }
    assertThat(left.get()).isBetween(0L, (long) ALL / 8);

    HeapBudget usual = new HeapBudget(left, ALL);
    usual.grow(HeapBudget.FREE);
    endless.forEach(HeapBudget::release);
    usual.release();
    assertThat(left.get()).isEqualTo(ALL);
  }

  @Test
  void itIsGivenBackOnce() {
    HeapBudget heapBudget = new HeapBudget(left, ALL);
    filled(heapBudget);

    heapBudget.release();
    heapBudget.release();

    assertThat(left.get()).isEqualTo(ALL);
    assertThatThrownBy(() -> heapBudget.grow(2L * ALL)).isInstanceOf(TooLargeException.class);
  }

  @Test
  void whatIsNoLongerKeptIsGivenBack() throws TooLargeException {
    HeapBudget heapBudget = new HeapBudget(left, ALL);
    for (int i = 0; i < 100; i++) {
      heapBudget.keep(ALL / 4);
      heapBudget.keep(READ);
    }
    assertThat(left.get()).isEqualTo(ALL);

    heapBudget.keep(ALL / 4);
    heapBudget.keep(ALL / 8);
    assertThat(left.get()).isBetween(ALL * 7L / 8, ALL * 7L / 8 + HeapBudget.FREE);
    heapBudget.release();
    assertThat(left.get()).isEqualTo(ALL);
  }

  @Test
  void onlyOneThatIsTooLargeForItselfIsToBlame() throws TooLargeException {
    HeapBudget alone = new HeapBudget(left, ALL);
    assertThatThrownBy(() -> alone.keep(ALL)).isExactlyInstanceOf(TooLargeException.class);
    alone.release();

    HeapBudget other = new HeapBudget(left, ALL);
    other.keep(ALL / 2);
    HeapBudget late = new HeapBudget(left, ALL);
    assertThatThrownBy(() -> late.keep(ALL / 2)).isInstanceOf(BudgetExhaustedException.class);
  }
}
