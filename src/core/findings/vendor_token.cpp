// Facts, not rules: the forms of vendors' tokens and their sources. "gitleaks" and a name is a rule of that
// scanner. All other sources are the vendors' own pages. Forms without a marker, such as 32 hexadecimal
// digits, have no row: only a name beside such a token shows its meaning.
#include "core/findings/vendor_token.hpp"

#include "core/base/text.hpp"

#include <algorithm>
#include <array>
#include <cstdint>
#include <iterator>

namespace callhardening
{

namespace
{

enum class Letters : std::uint16_t {
    none = 0,
    digit = 1,
    hex = 2,
    hex_dash = 4,
    upper = 8, // and digits
    upper_dash = 16,
    alnum = 32,
    word = 64,    // alnum _ -
    dotted = 128, // word .
    token = 256,  // word . ~ + / =
    path = 512,   // token : @ % $
};

using enum Letters;

struct Run {
    Letters letters = none;
    std::uint16_t shortest = 0, longest = 0;
};

// stays: the marker says where a token is used, like the host of a link. goes: it is a part of the token.
enum class Marker : bool { goes, stays };

struct VendorToken {
    std::string_view vendor;
    std::string_view marker;
    Letters letters; // after the marker
    std::uint16_t shortest, longest;
    std::string_view source;
    Run before = {};
    Marker fate = Marker::goes;
};

constexpr std::uint16_t any_length = 0xFFFF;

// clang-format off
constexpr VendorToken listed_tokens[] = {
    {"1Password", "A3-", upper_dash, 36, 37, "gitleaks, 1password-secret-key"},
    {"1Password", "ops_eyJ", token, 100, any_length, "gitleaks, 1password-service-account-token"},
    {"Adobe", "p8e-", alnum, 32, 32, "gitleaks, adobe-client-secret"},
    {"age", "AGE-SECRET-KEY-1", upper, 58, 58, "age specification, native X25519 identities"},
    {"Airtable", ".", hex, 64, 64, "gitleaks, airtable-personnal-access-token", {alnum, 17, 17}},
    {"Alibaba Cloud", "LTAI", alnum, 12, 30, "gitleaks, alibaba-access-key-id"},
    {"Amazon Bedrock", "ABSK", token, 60, any_length, "gitleaks, aws-amazon-bedrock-api-key-long-lived"},
    {"Amazon Bedrock", "bedrock-api-key-", token, 20, any_length, "gitleaks, aws-amazon-bedrock-api-key-short-lived"},
    {"AWS", "A3T", upper, 17, 17, "gitleaks, aws-access-token"},
    {"AWS", "ABIA", upper, 16, 16, "AWS IAM, unique identifiers"},
    {"AWS", "ACCA", upper, 16, 16, "AWS IAM, unique identifiers"},
    {"AWS", "AKIA", upper, 16, 16, "AWS IAM, unique identifiers"},
    {"AWS", "ASIA", upper, 16, 16, "AWS IAM, unique identifiers"},
    {"Anthropic", "sk-ant-", word, 40, any_length, "gitleaks, anthropic-api-key"},
    {"Artifactory", "AKCp", alnum, 60, 75, "gitleaks, artifactory-api-key"},
    {"Artifactory", "cmVmd", alnum, 59, 59, "gitleaks, artifactory-reference-token"},
    {"Atlassian", "ATATT3xFfGF0", token, 60, any_length, "Atlassian, API tokens"},
    {"Atlassian", "ATCTT3xFfGN0", token, 60, any_length, "Atlassian, API tokens"},
    {"Atlassian", "ATBB", alnum, 32, 32, "Bitbucket Cloud, app passwords"},
    {"Authress", ".acc", token, 60, any_length, "gitleaks, authress-service-client-access-key", {dotted, 9, 200}},
    {"Azure", "Q~", token, 31, 34, "gitleaks, azure-ad-client-secret", {dotted, 4, 4}},
    {"Azure DevOps", "AZDO", alnum, 4, 4, "Azure DevOps, format of personal access tokens", {alnum, 76, 76}},
    {"Beamer", "b_", word, 44, 44, "gitleaks, beamer-api-token"},
    {"Braintree", "access_token$", path, 20, any_length, "Braintree, access tokens"},
    {"Buildkite", "bkua_", hex, 40, 40, "Buildkite, API access tokens"},
    {"CircleCI", "CCIPAT_", word, 40, any_length, "CircleCI, personal API tokens"},
    {"CircleCI", "CCIPRJ_", word, 40, any_length, "CircleCI, project API tokens"},
    {"ClickHouse", "4b1d", alnum, 38, 38, "gitleaks, clickhouse-cloud-api-secret-key"},
    {"Clojars", "CLOJARS_", alnum, 60, 60, "gitleaks, clojars-api-token"},
    {"Cloudflare", "v1.0-", hex_dash, 171, 171, "gitleaks, cloudflare-origin-ca-key"},
    {"Contentful", "CFPAT-", word, 43, any_length, "Contentful, personal access tokens"},
    {"Databricks", "dapi", hex_dash, 32, 34, "gitleaks, databricks-api-token"},
    {"Defined Networking", "dnkey-", word, 79, 79, "gitleaks, defined-networking-api-token"},
    {"DigitalOcean", "doo_v1_", hex, 64, 64, "gitleaks, digitalocean-access-token"},
    {"DigitalOcean", "dop_v1_", hex, 64, 64, "gitleaks, digitalocean-pat"},
    {"DigitalOcean", "dor_v1_", hex, 64, 64, "gitleaks, digitalocean-refresh-token"},
    {"Discord", "discord.com/api/webhooks/", path, 20, any_length, "Discord, execute webhook", {}, Marker::stays},
    {"Discord", "discordapp.com/api/webhooks/", path, 20, any_length, "Discord, execute webhook", {}, Marker::stays},
    {"Docker", "dckr_oat_", word, 20, any_length, "Docker Hub, organization access tokens"},
    {"Docker", "dckr_pat_", word, 20, any_length, "Docker Hub, personal access tokens"},
    {"Doppler", "dp.ct.", alnum, 40, 44, "Doppler, token formats"},
    {"Doppler", "dp.pt.", alnum, 40, 44, "gitleaks, doppler-api-token"},
    {"Doppler", "dp.sa.", alnum, 40, 44, "Doppler, token formats"},
    {"Doppler", "dp.scim.", alnum, 40, 44, "Doppler, token formats"},
    {"Doppler", "dp.st.", dotted, 40, any_length, "Doppler, token formats"},
    {"Dropbox", "sl.", word, 100, any_length, "Dropbox, short-lived access tokens"},
    {"Dropbox", "AAAAAAAAAA", word, 43, 43, "gitleaks, dropbox-long-lived-api-token", {alnum, 11, 11}},
    {"Duffel", "duffel_live_", token, 43, any_length, "gitleaks, duffel-api-token"},
    {"Duffel", "duffel_test_", token, 43, any_length, "gitleaks, duffel-api-token"},
    {"Dynatrace", "dt0c01.", dotted, 89, 89, "gitleaks, dynatrace-api-token"},
    {"Dynatrace", "dt0s01.", dotted, 60, any_length, "Dynatrace, token format"},
    {"EasyPost", "EZAK", alnum, 54, 54, "gitleaks, easypost-api-token"},
    {"EasyPost", "EZTK", alnum, 54, 54, "gitleaks, easypost-test-api-token"},
    {"Facebook", "EAA", alnum, 60, any_length, "gitleaks, facebook-page-access-token"},
    {"Facebook", "%", word, 27, 40, "gitleaks, facebook-access-token", {digit, 15, 16}},
    {"Facebook", "|", word, 27, 40, "gitleaks, facebook-access-token", {digit, 15, 16}},
    {"Figma", "figd_", word, 40, any_length, "Figma, personal access tokens"},
    {"Firebase", ":APA91b", word, 120, any_length, "Firebase, registration tokens", {word, 11, 22}},
    {"Flutterwave", "FLWPUBK_TEST-", word, 32, 34, "gitleaks, flutterwave-public-key"},
    {"Flutterwave", "FLWSECK-", word, 32, any_length, "Flutterwave, API keys"},
    {"Flutterwave", "FLWSECK_TEST-", word, 12, 34, "gitleaks, flutterwave-secret-key"},
    {"Fly.io", "fm1a_", token, 100, any_length, "gitleaks, flyio-access-token"},
    {"Fly.io", "fm1r_", token, 100, any_length, "gitleaks, flyio-access-token"},
    {"Fly.io", "fm2_", token, 100, any_length, "gitleaks, flyio-access-token"},
    {"Fly.io", "fo1_", word, 43, any_length, "gitleaks, flyio-access-token"},
    {"Frame.io", "fio-u-", token, 64, any_length, "gitleaks, frameio-api-token"},
    {"Freemius", "sk_", alnum, 29, 29, "gitleaks, freemius-secret-key"},
    {"GitHub", "ghp_", alnum, 36, any_length, "GitHub, token formats"},
    {"GitHub", "gho_", alnum, 36, any_length, "GitHub, token formats"},
    {"GitHub", "ghu_", alnum, 36, any_length, "GitHub, token formats"},
    {"GitHub", "ghs_", alnum, 36, any_length, "GitHub, token formats"},
    {"GitHub", "ghr_", alnum, 36, any_length, "GitHub, token formats"},
    {"GitHub", "github_pat_", word, 82, any_length, "GitHub, token formats"},
    {"GitLab", "glagent-", word, 50, any_length, "GitLab, token overview"},
    {"GitLab", "glcbt-", word, 20, any_length, "GitLab, token overview"},
    {"GitLab", "gldt-", word, 20, any_length, "GitLab, token overview"},
    {"GitLab", "glffct-", word, 20, any_length, "GitLab, token overview"},
    {"GitLab", "glft-", word, 20, any_length, "GitLab, token overview"},
    {"GitLab", "glimt-", word, 25, any_length, "GitLab, token overview"},
    {"GitLab", "gloas-", word, 64, any_length, "GitLab, token overview"},
    {"GitLab", "glpat-", dotted, 20, any_length, "GitLab, token overview"},
    {"GitLab", "glptt-", hex, 40, any_length, "GitLab, token overview"},
    {"GitLab", "glrt-", dotted, 20, any_length, "GitLab, token overview"},
    {"GitLab", "glsoat-", word, 20, any_length, "GitLab, token overview"},
    {"GitLab", "GR1348941", word, 20, any_length, "GitLab, token overview"},
    {"GitLab", "_gitlab_session=", alnum, 32, any_length, "gitleaks, gitlab-session-cookie"},
    {"GoCardless", "live_", word, 40, 40, "gitleaks, gocardless-api-token"},
    {"Google", "AIza", word, 35, any_length, "Google Cloud, API keys"},
    {"Google", "GOCSPX-", word, 28, any_length, "Google, OAuth client secrets"},
    {"Google", "ya29.", dotted, 20, any_length, "Google, OAuth access tokens"},
    {"Google", "1//0", word, 30, any_length, "Google, OAuth refresh tokens"},
    {"Grafana", "eyJrIjoi", token, 70, any_length, "gitleaks, grafana-api-key"},
    {"Grafana", "glc_", token, 32, any_length, "gitleaks, grafana-cloud-api-token"},
    {"Grafana", "glsa_", word, 41, 41, "gitleaks, grafana-service-account-token"},
    {"Groq", "gsk_", alnum, 40, any_length, "Groq, API keys"},
    {"Harness", "pat.", dotted, 60, any_length, "gitleaks, harness-api-key"},
    {"Harness", "sat.", dotted, 60, any_length, "gitleaks, harness-api-key"},
    {"HashiCorp Terraform", ".atlasv1.", token, 60, 70, "gitleaks, hashicorp-tf-api-token", {alnum, 14, 14}},
    {"HashiCorp Vault", "hvb.", word, 100, any_length, "gitleaks, vault-batch-token"},
    {"HashiCorp Vault", "hvs.", word, 80, any_length, "gitleaks, vault-service-token"},
    {"HashiCorp Vault", "s.", alnum, 24, 24, "gitleaks, vault-service-token"},
    {"Heroku", "HRKU-AA", word, 58, 58, "gitleaks, heroku-api-key-v2"},
    {"HubSpot", "pat-eu1-", hex_dash, 36, 36, "HubSpot, private apps"},
    {"HubSpot", "pat-na1-", hex_dash, 36, 36, "HubSpot, private apps"},
    {"Hugging Face", "api_org_", alnum, 34, 34, "gitleaks, huggingface-organization-api-token"},
    {"Hugging Face", "hf_", alnum, 34, 34, "gitleaks, huggingface-access-token"},
    {"IFTTT", "maker.ifttt.com/trigger/", path, 20, any_length, "IFTTT, webhooks", {}, Marker::stays},
    {"Infracost", "ico-", alnum, 32, 32, "gitleaks, infracost-api-token"},
    {"Intercom", "dG9rO", token, 40, any_length, "Intercom, access tokens"},
    {"Intra42", "s-s4t2af-", hex, 64, 64, "gitleaks, intra42-client-secret"},
    {"Intra42", "s-s4t2ud-", hex, 64, 64, "gitleaks, intra42-client-secret"},
    {"JSON Web Token, encoded twice", "ZXlK", token, 60, any_length, "gitleaks, jwt-base64"},
    {"LangSmith", "lsv2_pt_", word, 40, any_length, "LangSmith, API keys"},
    {"LangSmith", "lsv2_sk_", word, 40, any_length, "LangSmith, API keys"},
    {"LaunchDarkly", "api-", hex_dash, 36, 36, "LaunchDarkly, keys"},
    {"LaunchDarkly", "sdk-", hex_dash, 36, 36, "LaunchDarkly, keys"},
    {"Linear", "lin_api_", alnum, 40, any_length, "gitleaks, linear-api-key"},
    {"Linear", "lin_oauth_", hex, 64, 64, "Linear, OAuth"},
    {"Lob", "live_", hex, 35, 35, "gitleaks, lob-api-key"},
    {"Lob", "live_pub_", hex, 31, 31, "gitleaks, lob-pub-api-key"},
    {"Lob", "test_", hex, 35, 35, "gitleaks, lob-api-key"},
    {"Lob", "test_pub_", hex, 31, 31, "gitleaks, lob-pub-api-key"},
    {"Mailchimp", "-us", digit, 1, 2, "gitleaks, mailchimp-api-key", {hex, 32, 32}},
    {"Mailgun", "key-", hex, 32, 32, "gitleaks, mailgun-private-api-token"},
    {"Mailgun", "pubkey-", hex, 32, 32, "gitleaks, mailgun-pub-key"},
    {"Make", "hook.eu1.make.com/", path, 20, any_length, "Make, webhooks", {}, Marker::stays},
    {"Make", "hook.eu2.make.com/", path, 20, any_length, "Make, webhooks", {}, Marker::stays},
    {"Make", "hook.us1.make.com/", path, 20, any_length, "Make, webhooks", {}, Marker::stays},
    {"Mapbox", "pk.", dotted, 83, 83, "gitleaks, mapbox-api-token"},
    {"MaxMind", "_mmk", none, 0, 0, "gitleaks, maxmind-license-key", {word, 36, 36}},
    {"Microsoft Teams", "webhook.office.com/", path, 40, any_length, "gitleaks, microsoft-teams-webhook", {},
     Marker::stays},
    {"MongoDB Atlas", "mdb_sa_sk_", word, 40, any_length, "MongoDB Atlas, service accounts"},
    {"Netlify", "nfp_", alnum, 36, any_length, "Netlify, personal access tokens"},
    {"New Relic", "NRAK-", alnum, 27, 27, "gitleaks, new-relic-user-api-key"},
    {"New Relic", "NRII-", word, 32, 32, "gitleaks, new-relic-insert-key"},
    {"New Relic", "NRJS-", hex, 19, 19, "gitleaks, new-relic-browser-api-token"},
    {"Notion", "ntn_", alnum, 40, any_length, "gitleaks, notion-api-token"},
    {"Notion", "secret_", alnum, 43, 43, "Notion, internal integrations"},
    {"npm", "npm_", alnum, 36, any_length, "npm, token formats"},
    {"Octopus Deploy", "API-", upper, 26, 26, "gitleaks, octopus-deploy-api-key"},
    {"OpenAI", "T3BlbkFJ", word, 20, any_length, "gitleaks, openai-api-key", {word, 20, 200}},
    {"OpenAI", "sk-", word, 32, any_length, "OpenAI, API keys"},
    {"OpenShift", "sha256~", word, 43, 43, "gitleaks, openshift-user-token"},
    {"Perplexity", "pplx-", alnum, 48, 48, "gitleaks, perplexity-api-key"},
    {"Pinecone", "pcsk_", word, 40, any_length, "Pinecone, API keys"},
    {"Plaid", "access-development-", hex_dash, 36, 36, "gitleaks, plaid-api-token"},
    {"Plaid", "access-production-", hex_dash, 36, 36, "gitleaks, plaid-api-token"},
    {"Plaid", "access-sandbox-", hex_dash, 36, 36, "gitleaks, plaid-api-token"},
    {"PlanetScale", "pscale_oauth_", token, 32, any_length, "gitleaks, planetscale-oauth-token"},
    {"PlanetScale", "pscale_pw_", token, 32, any_length, "gitleaks, planetscale-password"},
    {"PlanetScale", "pscale_tkn_", token, 32, any_length, "gitleaks, planetscale-api-token"},
    {"Postman", "PMAK-", hex_dash, 59, 59, "gitleaks, postman-api-token"},
    {"Prefect", "pnu_", alnum, 36, 36, "gitleaks, prefect-api-token"},
    {"Pulumi", "pul-", hex, 40, 40, "gitleaks, pulumi-api-token"},
    {"PyPI", "pypi-AgEIcHlwaS5vcmc", word, 50, any_length, "PyPI, API tokens"},
    {"Razorpay", "rzp_live_", alnum, 14, any_length, "Razorpay, API keys"},
    {"ReadMe", "rdme_", alnum, 70, 70, "gitleaks, readme-api-token"},
    {"Render", "rnd_", alnum, 28, any_length, "Render, API keys"},
    {"Replicate", "r8_", alnum, 37, 37, "Replicate, API tokens"},
    {"RubyGems", "rubygems_", hex, 48, 48, "gitleaks, rubygems-api-token"},
    {"Salesforce", "!AQ", dotted, 60, any_length, "Salesforce, session ids", {alnum, 15, 18}},
    {"Scalingo", "tk-us-", word, 48, any_length, "gitleaks, scalingo-api-token"},
    {"SendGrid", "SG.", dotted, 40, any_length, "gitleaks, sendgrid-api-token"},
    {"Sendinblue", "xkeysib-", word, 81, 81, "gitleaks, sendinblue-api-token"},
    {"Sendinblue", "xsmtpsib-", word, 81, 81, "Brevo, SMTP keys"},
    {"Sentry", "sntrys_eyJ", token, 60, any_length, "gitleaks, sentry-org-token"},
    {"Sentry", "sntryu_", hex, 64, 64, "gitleaks, sentry-user-token"},
    {"SettleMint", "sm_aat_", alnum, 16, 16, "gitleaks, settlemint-application-access-token"},
    {"SettleMint", "sm_pat_", alnum, 16, 16, "gitleaks, settlemint-personal-access-token"},
    {"SettleMint", "sm_sat_", alnum, 16, 16, "gitleaks, settlemint-service-access-token"},
    {"Shippo", "shippo_live_", hex, 40, 40, "gitleaks, shippo-api-token"},
    {"Shippo", "shippo_test_", hex, 40, 40, "gitleaks, shippo-api-token"},
    {"Shopify", "shpat_", hex, 32, any_length, "Shopify, token formats"},
    {"Shopify", "shpca_", hex, 32, any_length, "Shopify, token formats"},
    {"Shopify", "shppa_", hex, 32, any_length, "Shopify, token formats"},
    {"Shopify", "shpss_", hex, 32, any_length, "Shopify, token formats"},
    {"Slack", "hooks.slack.com/", path, 20, any_length, "Slack, incoming webhooks", {}, Marker::stays},
    {"Slack", "xapp-", word, 20, any_length, "Slack, token types"},
    {"Slack", "xoxa-", word, 8, any_length, "Slack, token types"},
    {"Slack", "xoxb-", word, 18, any_length, "Slack, token types"},
    {"Slack", "xoxe-", word, 40, any_length, "Slack, token types"},
    {"Slack", "xoxe.", dotted, 40, any_length, "Slack, token types"},
    {"Slack", "xoxo-", word, 10, any_length, "Slack, token types"},
    {"Slack", "xoxp-", word, 18, any_length, "Slack, token types"},
    {"Slack", "xoxr-", word, 8, any_length, "Slack, token types"},
    {"Slack", "xoxs-", word, 10, any_length, "Slack, token types"},
    {"SonarQube", "sqa_", hex, 40, 40, "SonarQube, token prefixes"},
    {"SonarQube", "sqp_", hex, 40, 40, "SonarQube, token prefixes"},
    {"SonarQube", "squ_", hex, 40, 40, "SonarQube, token prefixes"},
    {"Sourcegraph", "sgp_", word, 40, any_length, "gitleaks, sourcegraph-access-token"},
    {"Square", "EAAA", word, 22, 60, "gitleaks, square-access-token"},
    {"Square", "sq0atp-", word, 22, any_length, "gitleaks, square-access-token"},
    {"Square", "sq0csp-", word, 22, any_length, "Square, OAuth secrets"},
    {"Stripe", "rk_live_", alnum, 10, any_length, "Stripe, API keys"},
    {"Stripe", "rk_prod_", alnum, 10, any_length, "gitleaks, stripe-access-token"},
    {"Stripe", "rk_test_", alnum, 10, any_length, "Stripe, API keys"},
    {"Stripe", "sk_live_", alnum, 10, any_length, "Stripe, API keys"},
    {"Stripe", "sk_prod_", alnum, 10, any_length, "gitleaks, stripe-access-token"},
    {"Stripe", "sk_test_", alnum, 10, any_length, "Stripe, API keys"},
    {"Stripe", "whsec_", token, 24, any_length, "Stripe, webhook signatures"},
    {"Supabase", "sbp_", hex, 40, 40, "Supabase, access tokens"},
    {"Supabase", "sb_secret_", word, 20, any_length, "Supabase, API keys"},
    {"Tailscale", "tskey-", word, 20, any_length, "Tailscale, keys"},
    {"Telegram", ":A", word, 34, 34, "gitleaks, telegram-bot-api-token", {digit, 5, 16}},
    {"Telegram", "api.telegram.org/bot", path, 30, any_length, "Telegram, Bot API", {}, Marker::stays},
    {"Telnyx", "KEY0", word, 50, 60, "Telnyx, API v2 keys"},
    {"Tencent Cloud", "AKID", alnum, 32, any_length, "Tencent Cloud, access keys"},
    {"Twilio", "SK", hex, 32, 32, "Twilio, API keys"},
    {"Twitter", "AAAAAAAAAAAAAAAAAAAAAA", path, 80, any_length, "gitleaks, twitter-bearer-token"},
    {"Typeform", "tfp_", token, 40, any_length, "gitleaks, typeform-api-token"},
    {"xAI", "xai-", alnum, 70, any_length, "xAI, API keys"},
    {"Yandex", "AQVN", word, 35, 38, "gitleaks, yandex-api-key"},
    {"Yandex", "t1.", dotted, 86, any_length, "gitleaks, yandex-access-token"},
    {"Yandex", "YC", word, 38, 38, "gitleaks, yandex-aws-access-token"},
    {"Zapier", "hooks.zapier.com/hooks/", path, 12, any_length, "Zapier, webhooks", {}, Marker::stays},
    {"Zoho", "1000.", dotted, 65, 65, "Zoho, OAuth tokens"},
};
// clang-format on

// ---- letters ------------------------------------------------------------------------------------

constexpr auto letter_classes = [] {
    std::array<std::uint16_t, 256> table{};
    const auto add = [&table](std::string_view letters, auto... classes) {
        for (const char c : letters)
            table[static_cast<unsigned char>(c)] |= (static_cast<std::uint16_t>(classes) | ...);
    };
    add("0123456789", digit, hex, hex_dash, upper, upper_dash, alnum, word, dotted, token, path);
    add("abcdefABCDEF", hex, hex_dash);
    add("ABCDEFGHIJKLMNOPQRSTUVWXYZ", upper, upper_dash, alnum, word, dotted, token, path);
    add("abcdefghijklmnopqrstuvwxyz", alnum, word, dotted, token, path);
    add("-", hex_dash, upper_dash, word, dotted, token, path);
    add("_", word, dotted, token, path);
    add(".", dotted, token, path);
    add("~+/=", token, path);
    add(":@%$", path);
    return table;
}();

constexpr bool Is(char c, Letters wanted) noexcept
{
    return (letter_classes[static_cast<unsigned char>(c)] & static_cast<std::uint16_t>(wanted)) != 0;
}

// ---- looking rows up ------------------------------------------------------------------------------

// The cost of stopping at this letter in ordinary texts. At the free letters the search for secrets stops
// anyway.
constexpr int StopCost(char c) noexcept
{
    constexpr std::string_view free = ":=%-JBb~|!$", cheap = "_KZQXVzq", fair = "./@GFTSYWp";
    if (free.find(c) != free.npos)
        return 0;
    if (cheap.find(c) != cheap.npos)
        return 1;
    if (fair.find(c) != fair.npos)
        return 2;
    if (c >= 'A' && c <= 'Z')
        return 3;
    return IsAsciiDigit(c) ? 5 : 4;
}

// The position for looking up a marker: its cheapest letter, the last of several. The first letter is
// avoided, since the letter before the position is looked up too. Each URL has two slashes.
constexpr std::size_t Anchor(std::string_view marker) noexcept
{
    std::size_t best = 0;
    int least = StopCost(marker[0]) * 2 + 1;
    for (std::size_t i = 1; i < marker.size(); ++i)
        if (const int cost = StopCost(marker[i]) * 2 + (marker.substr(i - 1).starts_with("//") ? 1 : 0);
            cost <= least) {
            best = i;
            least = cost;
        }
    return best;
}

// The letter at the anchor and the one before it. 0: the marker begins with the anchor.
constexpr std::uint16_t Key(char before, char at) noexcept
{
    return static_cast<std::uint16_t>(static_cast<unsigned char>(before) << 8 |
                                      static_cast<unsigned char>(at));
}

constexpr std::uint16_t KeyOf(std::string_view marker) noexcept
{
    const std::size_t anchor = Anchor(marker);
    return Key(anchor == 0 ? '\0' : marker[anchor - 1], marker[anchor]);
}

constexpr std::size_t row_count = std::size(listed_tokens);

struct IndexRow {
    std::uint16_t key, row, anchor;
};

// The rows in the order of their keys. Longer beginnings come first: shippo_live_ contains live_.
constexpr auto rows = [] {
    std::array<IndexRow, row_count> order{};
    for (std::uint16_t i = 0; i < row_count; ++i)
        order[i] = {KeyOf(listed_tokens[i].marker), i,
                    static_cast<std::uint16_t>(Anchor(listed_tokens[i].marker))};
    std::sort(order.begin(), order.end(), [](const IndexRow &a, const IndexRow &b) {
        return a.key != b.key ? a.key < b.key : a.anchor != b.anchor ? a.anchor > b.anchor : a.row < b.row;
    });
    return order;
}();

struct Slot {
    std::uint16_t key, first, end;
};

// An open hash table of keys. It is sparse, so nearly every failed lookup reads only one slot.
constexpr unsigned slot_bits = 10;
constexpr std::size_t slot_count = std::size_t{1} << slot_bits;

constexpr std::size_t SlotOf(std::uint16_t key) noexcept
{
    return (key * 0x9E3779B1u) >> (32 - slot_bits);
}

constexpr auto slots = [] {
    std::array<Slot, slot_count> table{};
    for (std::size_t first = 0, end; first < row_count; first = end) {
        const std::uint16_t key = rows[first].key;
        end = first;
        while (end < row_count && rows[end].key == key)
            ++end;
        std::size_t slot = SlotOf(key);
        while (table[slot].end > 0)
            slot = (slot + 1) % slot_count;
        table[slot] = {key, static_cast<std::uint16_t>(first), static_cast<std::uint16_t>(end)};
    }
    return table;
}();

static_assert(std::all_of(rows.begin(), rows.end(),
                          [](const IndexRow &row) {
                              return vendor_letters.find(static_cast<char>(row.key & 0xFF)) !=
                                     vendor_letters.npos;
                          }),
              "a marker that is not looked for");

constexpr std::size_t most_rows_of_key = 16;
static_assert(std::all_of(slots.begin(), slots.end(),
                          [](const Slot &slot) { return slot.end <= slot.first + most_rows_of_key; }),
              "one look-up has to stay cheap, however long the table is");

const Slot *FindSlot(std::uint16_t key) noexcept
{
    for (std::size_t slot = SlotOf(key); slots[slot].end > 0; slot = (slot + 1) % slot_count)
        if (slots[slot].key == key)
            return &slots[slot];
    return nullptr;
}

// ---- comparing a row ------------------------------------------------------------------------------

constexpr TokenSpan nothing{0, 0};

// The letters of a token before its marker. npos: they do not match the row.
std::size_t RunBegin(std::string_view text, std::size_t marker, std::size_t from, const Run &run) noexcept
{
    std::size_t begin = marker;
    while (begin > from && marker - begin <= run.longest && Is(text[begin - 1], run.letters))
        --begin;
    const std::size_t size = marker - begin;
    return size < run.shortest || size > run.longest ? std::string_view::npos : begin;
}

// A part of a longer word is no token.
bool BeginsWord(std::string_view text, std::size_t begin) noexcept
{
    return begin == 0 || !Is(text[begin - 1], alnum) || !Is(text[begin], alnum);
}

TokenSpan MatchRow(const VendorToken &row, std::string_view text, std::size_t marker,
                   std::size_t from) noexcept
{
    const std::size_t begin = RunBegin(text, marker, from, row.before);
    const std::size_t after = marker + row.marker.size();
    if (begin == std::string_view::npos || (row.fate == Marker::goes && !BeginsWord(text, begin)))
        return nothing;
    const std::size_t longest = row.longest == any_length ? text.size() : row.longest;
    std::size_t end = after;
    while (end < text.size() && end - after <= longest && Is(text[end], row.letters))
        ++end;
    const bool ends_word = end == text.size() || end == after || !Is(text[end], alnum);
    if (!ends_word || end - after < row.shortest || end - after > longest)
        return nothing;
    return {row.fate == Marker::stays ? after : begin, end};
}

// Checks the required letters at both ends of the token first: ordinary texts seldom match there.
bool MayMatch(const VendorToken &row, std::string_view text, std::size_t marker, std::size_t from) noexcept
{
    const std::size_t last = marker + row.marker.size() + row.shortest - 1;
    if (row.shortest > 0 && (last >= text.size() || !Is(text[last], row.letters)))
        return false;
    const std::size_t before = row.before.shortest;
    return before == 0 || (marker >= from + before && Is(text[marker - before], row.before.letters));
}

TokenSpan FindOfKey(std::uint16_t key, std::string_view text, std::size_t i, std::size_t from) noexcept
{
    const Slot *slot = FindSlot(key);
    if (slot == nullptr)
        return nothing;
    for (std::size_t k = slot->first; k < slot->end; ++k) {
        const VendorToken &row = listed_tokens[rows[k].row];
        if (i < from + rows[k].anchor)
            continue;
        const std::size_t marker = i - rows[k].anchor;
        if (!MayMatch(row, text, marker, from) || !text.substr(marker).starts_with(row.marker))
            continue;
        if (const TokenSpan token = MatchRow(row, text, marker, from); token.Found())
            return token;
    }
    return nothing;
}

} // namespace

constexpr std::array<VendorLetter, 256> vendor_letter = [] {
    std::array<VendorLetter, 256> table{};
    for (const IndexRow &index : rows) {
        const VendorToken &row = listed_tokens[index.row];
        const std::uint32_t bit = std::uint32_t{1}
                                  << vendor_letters.find(static_cast<char>(index.key & 0xFF));
        const std::size_t before = index.key >> 8;
        table[index.key & 0xFF].is = bit;
        if (before != 0)
            table[before].before |= bit;
        for (std::size_t c = 0; before == 0 && c < 128; ++c)
            if (row.marker.size() > 1 ? row.marker[1] == static_cast<char>(c)
                                      : Is(static_cast<char>(c), row.letters))
                table[c].behind |= bit;
    }
    return table;
}();

TokenSpan FindTokenByPair(std::string_view text, std::size_t i, std::size_t from) noexcept
{
    return FindOfKey(Key(text[i - 1], text[i]), text, i, from);
}

TokenSpan FindTokenByLetter(std::string_view text, std::size_t i, std::size_t from) noexcept
{
    return FindOfKey(Key('\0', text[i]), text, i, from);
}

} // namespace callhardening
