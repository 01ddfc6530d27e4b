// SPDX-License-Identifier: Apache-2.0
package dev.offmeter.endpoint;

import java.io.IOException;

/** A server sends more than may be read of it; the message says of what. */
final class TooLarge extends IOException {
  private static final long serialVersionUID = 1L;

  TooLarge(String message) {
    super(message);
  }
}
