// Sends the four signals of Google's Consent Mode before Google's tag starts. Their values are this script's attributes.
(() => {
  const args = /** @type {HTMLScriptElement} */ (document.currentScript).dataset;
  const page = /** @type {any} */ (window);
  page.dataLayer = page.dataLayer || [];
  page.gtag = page.gtag || function () {
    page.dataLayer.push(arguments); // Google's tag requires the arguments object, not an array
  };
  page.gtag("consent", "default", {
    analytics_storage: args.analytics_storage,
    ad_storage: args.ad_storage,
    ad_user_data: args.ad_user_data,
    ad_personalization: args.ad_personalization,
  });
  page.gtag("js", new Date());
  page.gtag("config", args.id);
})();
