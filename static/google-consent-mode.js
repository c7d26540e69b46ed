// Says Google's four consent signals before Google's own tag starts; what they are stands in this script's attributes.
(() => {
  const said = /** @type {HTMLScriptElement} */ (document.currentScript).dataset;
  const page = /** @type {any} */ (window);
  page.dataLayer = page.dataLayer || [];
  page.gtag = page.gtag || function () {
    page.dataLayer.push(arguments); // Google's tag takes the arguments object itself, not an array
  };
  page.gtag("consent", "default", {
    analytics_storage: said.analytics_storage,
    ad_storage: said.ad_storage,
    ad_user_data: said.ad_user_data,
    ad_personalization: said.ad_personalization,
  });
  page.gtag("js", new Date());
  page.gtag("config", said.id);
})();
