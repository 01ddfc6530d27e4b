// SPDX-License-Identifier: Apache-2.0
package dev.offmeter.config;

import java.util.HashMap;
import java.util.List;
import java.util.Map;
import org.jspecify.annotations.Nullable;

/** Which groups are asked when one has failed. */
final class Fallbacks {
  private static final String ANY = "*";

  private final Map<String, List<Setting>> groups = new HashMap<>();

  /** {@code router_settings} wins over {@code litellm_settings}. */
  Fallbacks(Setting router, Setting litellm) {
    Setting defaults = wins(router, litellm, "default_fallbacks");
    Setting own = wins(router, litellm, "fallbacks");
    if (own != null && !own.isEmpty()) {
      own.items().forEach(this::add);
    }
    if (defaults != null && !defaults.isEmpty()) {
      groups.putIfAbsent(ANY, defaults.items());
    }
  }

  private static @Nullable Setting wins(Setting router, Setting litellm, String key) {
    Setting first = router.field(key);
    Setting second = litellm.field(key);
    if (first != null && second != null) {
      second.passOver();
    }
    return first == null ? second : first;
  }

  private void add(Setting rule) {
    for (String group : rule.keys()) {
      Setting targets = rule.field(group);
      if (targets == null) {
        continue;
      }
      // Of several rules for one group LiteLLM takes the first.
      if (groups.putIfAbsent(group, targets.items()) != null) {
        targets.passOver("a rule for it stands before");
      }
    }
  }

  /** Of the group that was asked for: its own, else the defaults. */
  List<Setting> first(String group) {
    return groups.getOrDefault(group, groups.getOrDefault(ANY, List.of()));
  }

  /** Of a group that is itself a fallback: its own. */
  List<Setting> further(String group) {
    return groups.getOrDefault(group, List.of());
  }
}
