// SPDX-License-Identifier: Apache-2.0
package dev.offmeter.wire;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;

import dev.offmeter.wire.HeapShare.Crowded;
import dev.offmeter.wire.HeapShare.TooLarge;
import java.util.ArrayList;
import java.util.List;
import java.util.concurrent.atomic.AtomicLong;
import org.junit.jupiter.api.Test;

/** What many bodies may fill of the heap together. */
class HeapShareTest {
  private static final int ALL = 16 << 20;
  private static final int READ = 8192;

  private final AtomicLong left = new AtomicLong(ALL);

  /** Reads on and on, and tells how much of it. */
  private static long filled(HeapShare share) {
    long bytes = 0;
    try {
      while (true) {
        share.grow(READ);
        bytes += READ;
      }
    } catch (TooLarge e) {
      return bytes;
    }
  }

  @Test
  void oneBodyMayTakeHalf() {
    assertThat(filled(new HeapShare(left, ALL))).isBetween((long) ALL / 2, ALL / 2 + 400_000L);
  }

  @Test
  void manyLeaveRoomForOneMore() throws TooLarge {
    List<HeapShare> endless = new ArrayList<>();
    for (int i = 0; i < 8; i++) {
      HeapShare share = new HeapShare(left, ALL);
      filled(share);
      endless.add(share);
    }
    assertThat(left.get()).isBetween(0L, (long) ALL / 8);

    HeapShare usual = new HeapShare(left, ALL);
    usual.grow(HeapShare.FREE);
    endless.forEach(HeapShare::release);
    usual.release();
    assertThat(left.get()).isEqualTo(ALL);
  }

  @Test
  void itIsGivenBackOnce() {
    HeapShare share = new HeapShare(left, ALL);
    filled(share);

    share.release();
    share.release();

    assertThat(left.get()).isEqualTo(ALL);
    assertThatThrownBy(() -> share.grow(2L * ALL)).isInstanceOf(TooLarge.class);
  }

  @Test
  void whatIsNoLongerKeptIsGivenBack() throws TooLarge {
    HeapShare share = new HeapShare(left, ALL);
    for (int i = 0; i < 100; i++) {
      share.keep(ALL / 4);
      share.keep(READ);
    }
    assertThat(left.get()).isEqualTo(ALL);

    share.keep(ALL / 4);
    share.keep(ALL / 8);
    assertThat(left.get()).isBetween(ALL * 7L / 8, ALL * 7L / 8 + HeapShare.FREE);
    share.release();
    assertThat(left.get()).isEqualTo(ALL);
  }

  @Test
  void onlyOneThatIsTooLargeForItselfIsToBlame() throws TooLarge {
    HeapShare alone = new HeapShare(left, ALL);
    assertThatThrownBy(() -> alone.keep(ALL)).isExactlyInstanceOf(TooLarge.class);
    alone.release();

    HeapShare other = new HeapShare(left, ALL);
    other.keep(ALL / 2);
    HeapShare late = new HeapShare(left, ALL);
    assertThatThrownBy(() -> late.keep(ALL / 2)).isInstanceOf(Crowded.class);
  }
}
