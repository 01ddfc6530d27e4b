// SPDX-License-Identifier: Apache-2.0
package dev.offmeter.internal.config.litellm;

import dev.offmeter.Endpoint;
import dev.offmeter.guard.Budget;
import dev.offmeter.internal.UserCode;
import dev.offmeter.internal.config.EndpointVariables;
import dev.offmeter.internal.config.Environment;
import dev.offmeter.internal.config.Environment.FileContents;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.HashMap;
import java.util.HashSet;
import java.util.LinkedHashSet;
import java.util.List;
import java.util.Map;
import java.util.Set;
import org.jspecify.annotations.Nullable;
import org.slf4j.Logger;
import org.slf4j.LoggerFactory;

/**
 * Reads a LiteLLM-style file: groups of deployments, and the groups that are asked after one has
 * failed.
 */
public final class LiteLlmConfig {
  private static final Logger LOG = LoggerFactory.getLogger("dev.offmeter");

  private final ConfigFile file;
  private final List<Deployment> deployments;
  private final Set<String> groups = new LinkedHashSet<>();
  private final Map<String, String> aliases;
  private final DeploymentDefaults defaults;
  private final Fallbacks fallbacks;
  private final List<Budget> budgets;

  private LiteLlmConfig(ConfigNode root) {
    file = root.file();
    List<ConfigNode> documents = documents(root);
    documents.forEach(document -> document.noteOtherKeys(SupportedKeys.TOP));
    documents.forEach(LiteLlmConfig::define);
    deployments = deployments(documents);
    deployments.forEach(deployment -> groups.add(deployment.group()));
    ConfigNode router = section(documents, "router_settings");
    router.noteOtherKeys(SupportedKeys.ROUTER);
    ConfigNode litellm = section(documents, "litellm_settings");
    litellm.noteOtherKeys(SupportedKeys.LITELLM);
    aliases = aliases(router.field("model_group_alias"));
    defaults = DeploymentDefaults.of(router, litellm);
    fallbacks = new Fallbacks(router, litellm);
    budgets = GlobalBudget.read(litellm);
  }

  /** Returns the file, then the files that it includes. */
  private static List<ConfigNode> documents(ConfigNode root) {
    List<ConfigNode> documents = new ArrayList<>(List.of(root));
    ConfigNode include = root.field("include");
    if (include != null && !include.isEmpty()) {
      for (ConfigNode other : include.items()) {
        documents.add(root.file().include(other.text()));
      }
    }
    return documents;
  }

  private static void define(ConfigNode document) {
    ConfigNode variables = document.section("environment_variables");
    for (String name : variables.keys()) {
      ConfigNode value = variables.field(name);
      // A variable that is not set need not fail here: it does where its value is used.
      if (value != null && !value.isMapping() && !value.isList() && value.isKnown()) {
        document.file().define(name, value.anyText());
      }
    }
  }

  /** Returns the deployments of all documents; LiteLLM joins their lists. */
  private static List<Deployment> deployments(List<ConfigNode> documents) {
    List<Deployment> deployments = new ArrayList<>();
    for (ConfigNode document : documents) {
      ConfigNode list = document.field("model_list");
      if (list != null) {
        list.items().forEach(entry -> deployments.add(new Deployment(entry)));
      }
    }
    if (deployments.isEmpty()) {
      throw documents.get(0).require("model_list").wrong("must have at least one entry");
    }
    return deployments;
  }

  /** Returns a section; in LiteLLM that of a later document replaces that of an earlier one. */
  private static ConfigNode section(List<ConfigNode> documents, String key) {
    ConfigNode section = documents.get(0).section(key);
    for (ConfigNode document : documents) {
      section = document.field(key) == null ? section : document.section(key);
    }
    return section;
  }

  /** Returns other names of groups: a value is a group's name, or a mapping with {@code model}. */
  private static Map<String, String> aliases(@Nullable ConfigNode section) {
    Map<String, String> aliases = new HashMap<>();
    if (section != null && !section.isEmpty()) {
      for (String alias : section.keys()) {
        ConfigNode group = section.field(alias);
        ConfigNode name = group == null || !group.isMapping() ? group : group.field("model");
        if (name != null) {
          aliases.put(alias, name.text());
        }
      }
    }
    return aliases;
  }

  private String group(String name) {
    return groups.contains(name) ? name : aliases.getOrDefault(name, name);
  }

  /**
   * Returns the endpoints of a group and of its fallbacks, in order of preference, and the budget
   * of all calls. Opens no connection.
   *
   * @param group a {@code model_name}; null for that of the first entry
   * @param field what the group is called in a message
   * @param environment for {@code os.environ/NAME}, the providers' keys and {@code
   *     OFFMETER_CLEARTEXT}; nothing else is read from it
   * @throws IllegalArgumentException if the file cannot be read or has a wrong value; the message
   *     has file, line and key
   * @throws IllegalStateException if a variable is not set, values do not go together, or {@code
   *     org.yaml:snakeyaml} is not on the class path
   */
  public static FileContents read(
      Path path, @Nullable String group, String field, Map<String, String> environment) {
    LiteLlmConfig config = new LiteLlmConfig(ConfigFile.read(path, environment));
    String first = group == null ? config.deployments.get(0).group() : config.group(group);
    if (!config.groups.contains(first)) {
      throw new IllegalArgumentException(
          config.file.name()
              + ": "
              + field
              + " must be one of "
              + config.groups
              + ", was '"
              + group
              + "'");
    }
    List<Endpoint> endpoints = config.endpoints(first);
    config.warn();
    return new FileContents(endpoints, config.budgets);
  }

  private List<Endpoint> endpoints(String first) {
    Set<Deployment> chosen = new LinkedHashSet<>(ofGroup(first));
    Set<String> added = new HashSet<>(Set.of(first));
    fallbacks.first(first).forEach(target -> addWithFallbacks(target, chosen, added));
    Set<String> names = ids(chosen);
    List<Endpoint> endpoints = new ArrayList<>();
    boolean clearText = isClearTextAllowed();
    for (Deployment deployment : chosen) {
      String id = deployment.id();
      String name = id == null ? unusedNote(deployment.group(), names) : id;
      endpoints.add(deployment.endpoint(name, defaults, clearText));
    }
    return endpoints;
  }

  private boolean isClearTextAllowed() {
    String allowed = file.variable(Environment.CLEAR_TEXT);
    return allowed != null && EndpointVariables.parseFlag(Environment.CLEAR_TEXT, allowed);
  }

  /** Adds a group; its own fallbacks come before the next fallback, as in LiteLLM. */
  private void addWithFallbacks(ConfigNode target, Set<Deployment> chosen, Set<String> added) {
    String name = group(target.text());
    if (!added.add(name)) {
      return;
    }
    List<Deployment> found = groups.contains(name) ? ofGroup(name) : ofId(name);
    if (found.isEmpty()) {
      throw target.wrong("must be one of " + groups + " or a model_info.id");
    }
    chosen.addAll(found);
    fallbacks.further(name).forEach(next -> addWithFallbacks(next, chosen, added));
  }

  private List<Deployment> ofGroup(String group) {
    return deployments.stream()
        .filter(deployment -> deployment.group().equals(group))
        .map(deployment -> Map.entry(deployment.order(), deployment))
        .sorted(Map.Entry.comparingByKey())
        .map(Map.Entry::getValue)
        .toList();
  }

  private List<Deployment> ofId(String id) {
    return deployments.stream().filter(deployment -> id.equals(deployment.id())).toList();
  }

  private static Set<String> ids(Set<Deployment> chosen) {
    Set<String> ids = new HashSet<>();
    for (Deployment deployment : chosen) {
      String id = deployment.id();
      if (id != null && !ids.add(id)) {
        throw deployment.idTwice();
      }
    }
    return ids;
  }

  private static String unusedNote(String group, Set<String> names) {
    String name = group;
    for (int i = 2; !names.add(name); i++) {
      name = group + "-" + i;
    }
    return name;
  }

  private void warn() {
    if (!file.notHonoured().isEmpty()) {
      UserCode.ignore(
          () ->
              LOG.warn(
                  "{} has keys that Offmeter does not heed: {}", file.name(), file.notHonoured()));
    }
  }
}
